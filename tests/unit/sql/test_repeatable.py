"""Which statements may be executed twice."""

from __future__ import annotations

import pytest

from airflow_provider_wherobots.sql.repeatable import Repeatability, changes_session, may_repeat, only_reads


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT'x'",
        "  /* INSERT */ select 1 -- INSERT",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH t AS (SELECT 'INSERT INTO x') SELECT * FROM t",
        "VALUES (1)",
        "SHOW TABLES IN a.b",
        "DESCRIBE TABLE a.b.c",
        "EXPLAIN INSERT INTO t SELECT 1",
        "USE a.b",
        "DELETE FROM t WHERE id = 1",
        "TRUNCATE TABLE t",
        "INSERT OVERWRITE TABLE Xt SELECT 1 FROM t",
        "CREATE OR REPLACE TABLE t AS SELECT 1",
        "CREATE OR REPLACE TEMPORARY VIEW t AS SELECT 1",
        "CREATE TABLE IF NOT EXISTS t (id INT)",
        "create global temporary view if not exists t as select 1",
        "CREATE DATABASE IF NOT EXISTS a.b",
        "DROP TABLE IF EXISTS t",
        "DROP TABLE IF EXISTS `t`",
        "DELETE FROM a.b.t WHERE t.id IN (SELECT id FROM a.c.u)",
        "INSERT OVERWRITE silver.reports SELECT * FROM bronze.reports",
        "CREATE OR REPLACE TABLE c.silver.t AS SELECT 't' AS name FROM c.bronze.t -- not t",
        "CREATE OR REPLACE FUNCTION f AS 'a.F'",
        "DELETE FROM t WHERE identifier = 5",
        "INSERT OVERWRITE t SELECT identifier FROM u",
    ],
)
def test_a_statement_that_changes_nothing_the_second_time(statement: str) -> None:
    assert may_repeat(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "INSERT t SELECT 1",
        "WITH t AS (SELECT 1) INSERT INTO u SELECT * FROM t",
        "FROM t INSERT INTO u SELECT * INSERT INTO v SELECT *",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET n = t.n + 1",
        "UPDATE t SET n = n + 1",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (c STRING COMMENT 'IF NOT EXISTS')",
        "CREATE TABLE a.t AS SELECT IF NOT EXISTS (SELECT 1)",
        "CREATE TABLE t SELECT IF(NOT a, 1, 2) FROM u",
        "DROP TABLE t",
        "DROP TABLE if",
        "DROP TABLE exists",
        "ALTER TABLE t ADD COLUMNS (a INT)",
        "CREATE TABLE `t` AS SELECT IF(NOT EXISTS (SELECT 1), 1, 2)",
        "INSERT OVERWRITE t SELECT n + 1 FROM t",
        "INSERT OVERWRITE TABLE c.s.t SELECT n + 1 FROM `s`.`t`",
        "CREATE OR REPLACE TABLE c.s.t AS SELECT * FROM c . s . T UNION ALL SELECT 1",
        "CREATE OR REPLACE TEMPORARY VIEW t AS SELECT * FROM t",
        "DELETE FROM t WHERE id = (SELECT MAX(id) FROM t)",
        "CALL system.rewrite_data_files('t')",
        "INSERT OVERWRITE IDENTIFIER('t') SELECT n + 1 FROM t",
        "CREATE OR REPLACE TABLE t AS SELECT n + 1 FROM IDENTIFIER('t')",
        "",
    ],
)
def test_a_statement_that_may_write_twice(statement: str) -> None:
    assert not may_repeat(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("-- rows\nSELECT 1", True),
        ("WITH t AS (SELECT 1) SELECT * FROM t", True),
        ("WITH t AS (SELECT 1 AS `update`) SELECT /*+ MERGE(t) */ `update` FROM t", True),
        ("SHOW TABLES", True),
        ("WITH t AS (SELECT 1) INSERT INTO u SELECT * FROM t", False),
        ("DELETE FROM t", False),
        ("CREATE OR REPLACE TABLE t AS SELECT 1", False),
        ("", False),
    ],
)
def test_what_only_reads_changes_no_table(statement: str, expected: bool) -> None:
    assert only_reads(statement) is expected


COPY, BACK = "CREATE OR REPLACE TABLE u AS SELECT n + 1 AS n FROM a.t", "INSERT OVERWRITE t SELECT n FROM u"
VIEW = "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT *"


@pytest.mark.parametrize(
    ("statements", "repeated"),
    [
        ([COPY, BACK], [True, False]),
        (["INSERT OVERWRITE kept SELECT * FROM t", "TRUNCATE TABLE t"], [True, False]),
        (["INSERT OVERWRITE kept SELECT * FROM t", "DELETE FROM t"], [True, False]),
        (
            ["CREATE OR REPLACE TEMPORARY VIEW v AS SELECT * FROM t", "INSERT OVERWRITE t SELECT * FROM v"],
            [True, False],
        ),
        (["DELETE FROM u WHERE id IN (SELECT id FROM t)", "DROP TABLE IF EXISTS t"], [True, False]),
        (["CREATE TABLE IF NOT EXISTS u AS SELECT n + 1 AS n FROM t", BACK], [True, False]),
        (["INSERT OVERWRITE kept TABLE t", "TRUNCATE TABLE t"], [True, False]),
        # The view reads the table each time that it is read.
        (["CREATE TEMPORARY VIEW v AS SELECT * FROM t", "INSERT OVERWRITE t SELECT n + 1 FROM v"], [False, False]),
        (
            [f"{VIEW} FROM t", "INSERT INTO log SELECT 1", "INSERT OVERWRITE t SELECT n + 1 FROM v"],
            [True, False, False],
        ),
        ([f"{VIEW} FROM t", "CREATE OR REPLACE TABLE u AS SELECT * FROM v", "TRUNCATE TABLE t"], [True, True, False]),
        ([f"{VIEW} FROM t", "INSERT OVERWRITE u SELECT * FROM v", f"{VIEW} FROM u"], [True, True, True]),
        # The first is repeated, but changes nothing.
        (["SELECT * FROM t", "TRUNCATE TABLE t"], [True, True]),
        # What is read is not what is replaced.
        (["CREATE OR REPLACE TABLE u AS SELECT * FROM b.t", "INSERT OVERWRITE a.t SELECT * FROM u"], [True, True]),
        (["CREATE TABLE IF NOT EXISTS t (n INT)", "INSERT OVERWRITE t SELECT n FROM u"], [True, True]),
        (["DELETE FROM t WHERE n = 1", "INSERT OVERWRITE t SELECT n FROM u"], [True, True]),
        (["DROP TABLE IF EXISTS t", "CREATE OR REPLACE TABLE t AS SELECT n FROM u"], [True, True]),
        # The copy is rebuilt before it is read.
        ([COPY, "INSERT OVERWRITE v SELECT n FROM u", "DROP TABLE IF EXISTS u"], [True, True, True]),
        ([COPY, "INSERT OVERWRITE v SELECT n FROM u", COPY], [True, True, True]),
        (
            [
                "DROP TABLE IF EXISTS u",
                "CREATE TABLE IF NOT EXISTS u AS TABLE t",
                "DELETE FROM v WHERE n IN (SELECT n FROM u)",
                "DROP TABLE IF EXISTS u",
            ],
            [True, True, True, True],
        ),
        # Once a write has succeeded, what was before it is not repeated.
        ([COPY, "INSERT INTO v SELECT * FROM u", BACK], [True, False, True]),
        ([COPY, BACK, BACK], [True, False, True]),
    ],
)
def test_a_statement_that_replaces_what_one_before_it_has_read_is_not_repeated(
    statements: list[str], repeated: list[bool]
) -> None:
    repeatability = Repeatability()
    assert [repeatability.may_repeat(statement) for statement in statements] == repeated


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("-- where\nUSE org_catalog.hail", True),
        ("set x = 1", True),
        ("RESET", True),
        ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", False),
        ("SELECT 1", False),
        ("USER", False),
    ],
)
def test_what_changes_only_the_session(statement: str, expected: bool) -> None:
    assert changes_session(statement) is expected
