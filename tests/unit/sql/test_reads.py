"""Which statements only read, and which have a result."""

import pytest

from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, returns_result


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT'x'",
        "  /* INSERT */ select 1 -- INSERT",
        "-- DROP TABLE t\nselect 1",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1)",
        "TABLE t",
        "SHOW TABLES IN a.b",
        "DESCRIBE TABLE a.b.c",
        "DESC t",
        "EXPLAIN INSERT INTO t SELECT 1",
        "WITH t AS (SELECT 'INSERT INTO x') SELECT * FROM t",
        "WITH t AS (SELECT 1), u AS (SELECT (2)) SELECT * FROM t, u",
        "WITH t (n) AS (SELECT 1) SELECT n FROM t",
        "WITH t (n) (SELECT 1) SELECT n FROM t",
        "WITH t AS (SELECT 1) (SELECT * FROM t)",
        "WITH RECURSIVE t(n) AS (VALUES 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t",
        "WITH `insert` AS (SELECT 1) SELECT * FROM `insert`",
        "WITH insert AS (SELECT 1), delete AS (SELECT 2) SELECT * FROM insert, delete",
        "WITH t AS (SELECT /*+ BROADCAST(u) */ 1) SELECT * FROM t",
        "FROM t SELECT a",
        "(FROM t SELECT a)",
        "(WITH t AS (SELECT 1) SELECT * FROM t)",
        "FROM (SELECT 'INSERT' AS a) |> WHERE a > 1",
        "WITH t AS (SELECT 1) FROM t SELECT *",
    ],
)
def test_a_statement_that_only_reads(statement: str) -> None:
    assert kind_of(statement) is StatementKind.READ
    assert returns_result(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "WITH t AS (SELECT 1) INSERT INTO u SELECT * FROM t",
        "with t(a) as (select 1), u as (select 2) insert into v select * from t",
        "WITH t AS (SELECT 1) MERGE INTO u USING t ON u.a = t.a WHEN MATCHED THEN DELETE",
        "WITH t AS (SELECT 1) FROM t INSERT INTO u SELECT *",
        "FROM t INSERT INTO u SELECT * INSERT INTO v SELECT *",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET n = t.n + 1",
        "CREATE OR REPLACE TABLE t AS SELECT * FROM temp",
        "CREATE TABLE temporary (n INT)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE FUNCTION f AS 'a.B'",
        "DROP TABLE t",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "SELECTED",
        "/* SELECT 1 */",
        "",
        "`SELECT`",
    ],
)
def test_a_statement_that_may_write(statement: str) -> None:
    assert kind_of(statement) is StatementKind.WRITE
    assert not returns_result(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "USE a.b",
        "SET a = 1",
        "RESET",
        "-- x\n create or replace temporary view v as select 1",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE OR REPLACE GLOBAL TEMPORARY VIEW v AS SELECT 1",
        "CREATE TEMPORARY FUNCTION f AS 'a.B'",
        "CACHE LAZY TABLE t",
        "UNCACHE TABLE t",
        "CLEAR CACHE",
        "REFRESH TABLE t",
        "DECLARE OR REPLACE VARIABLE x INT DEFAULT 1",
    ],
)
def test_a_statement_that_only_changes_the_session(statement: str) -> None:
    assert kind_of(statement) is StatementKind.SESSION


def test_a_procedure_may_change_something_and_has_a_result() -> None:
    assert kind_of("CALL catalog.system.rewrite_data_files('t')") is StatementKind.WRITE
    assert returns_result(" call catalog.system.rewrite_data_files('t')")
