"""Statements as text: their tokens, what a log shows of them, and which only read."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.sql import statements as module
from airflow_provider_wherobots.sql.parameters import bind
from airflow_provider_wherobots.sql.statements import (
    SqlTokenKind,
    StatementKind,
    Token,
    kind_of,
    masked,
    returns_result,
    statements,
    tokens,
)
from tests.unit.sql.test_values import TEXTS

SQL = st.text("'\"`\\-/*%();srRx \n+a")


@given(SQL)
def test_the_tokens_together_are_the_sql(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql


@given(SQL)
def test_only_spaces_semicolons_and_closed_comments_are_left_out(sql: str) -> None:
    rest = sql
    for statement in statements(sql):
        left_out, found, rest = rest.partition(statement)
        assert found
        assert is_skipped(left_out)
    assert is_skipped(rest)


def is_skipped(text: str) -> bool:
    """Whether Spark skips a text, character by character, without the module's expressions."""
    depth, is_line, position = 0, False, 0
    while position < len(text):
        two = text[position : position + 2]
        if is_line:
            is_line = text[position] not in "\r\n" or text[position - 1 : position + 1] == "\\\n"
        elif two == "/*" and text[position + 2 : position + 3] != "+":
            depth, position = depth + 1, position + 1
        elif depth and two == "*/":
            depth, position = depth - 1, position + 1
        elif not depth and two == "--":
            is_line, position = True, position + 1
        elif not depth and text[position] not in " \n;":
            return False
        position += 1
    return depth == 0


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("", []),
        (" ;; ", []),
        ("-- nothing\n;", []),
        ("a;b ;\n c", ["a", "b", "c"]),
        ("a 'x;y' \"x;y\" `x;y`; b", ["a 'x;y' \"x;y\" `x;y`", "b"]),
        ("a '\\';' b; c", ["a '\\';' b", "c"]),
        ("a '\\\\'; b", ["a '\\\\'", "b"]),
        ("a -- x;y\n, b; c", ["a -- x;y\n, b", "c"]),
        ("a /* ; /* ; */ ; */ b; c", ["a /* ; /* ; */ ; */ b", "c"]),
        ("SELECT /*+ BROADCAST(t) */ 1; c", ["SELECT /*+ BROADCAST(t) */ 1", "c"]),
        ("a; 'open; b", ["a", "'open; b"]),
        ("a; /* s3://b/*.parquet */ b; c", ["a", "/* s3://b/*.parquet */ b; c"]),
        ("a; /* s3://b/*.parquet */ b */ c", ["a", "/* s3://b/*.parquet */ b */ c"]),
        ("a; /* open", ["a", "/* open"]),
        ("a; /* /*+ b */ ;c", ["a", "c"]),
        ("a; /*/ b */ ;c", ["a", "c"]),
    ],
)
def test_statements_end_at_semicolons_outside_of_literals_and_comments(sql: str, parts: list[str]) -> None:
    assert statements(sql) == parts


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("SELECT a, t2.b1 FROM t2", "SELECT a, t2.b1 FROM t2"),
        ("SELECT\n  a\n\tFROM t ;", "SELECT a FROM t ;"),
        ("a = 'secret'", "a = ?"),
        ("a = 'O\\'Brien' AND b", "a = ? AND b"),
        ("a = X'00ff'", "a = ?"),
        ("a = r'\\' AND b", "a = ? AND b"),
        ("a = 78701 AND b > 1.5e-3 OR c < .5 LIMIT 10", "a = ? AND b > ? OR c < ? LIMIT ?"),
        ("a = 10L, 5BD, -3.0D", "a = ?, ?, -?"),
        ("SELECT 1 -- password is x\n, 2", "SELECT ? , ?"),
        ("SELECT /* it's secret */ a", "SELECT a"),
        ("SELECT /*+ BROADCAST(t) */ a", "SELECT /*+ BROADCAST(t) */ a"),
        ("a = %(x)s AND b = %s AND c %% 2", "a = %(x)s AND b = %s AND c %% ?"),
        ("a = 'never closed", "a = ?"),
        ("-- key\nset spark.hadoop.fs.s3a.secret.key=wJalr/K7", "set spark.hadoop.fs.s3a.secret.key=?"),
        ("SET x = a b", "SET x = ?"),
        ("SET x", "SET x"),
    ],
)
def test_literals_are_masked_and_names_are_shown(statement: str, line: str) -> None:
    assert masked(statement) == line


def test_a_long_statement_is_shortened_and_its_length_told() -> None:
    line = masked("SELECT " + "a, " * 100_000, limit=20)
    assert line == "SELECT a, a, a, a, a… (300,007 characters)"
    assert masked("SELECT a", limit=8) == "SELECT a"


def test_only_the_beginning_of_a_long_statement_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Token] = []

    def tokens(_: str) -> Iterator[Token]:
        while len(read) < 99:
            read.append(Token(SqlTokenKind.NAME, "`a`"))
            yield read[-1]

    monkeypatch.setattr(module, "tokens", tokens)
    assert masked("long", limit=6) == "`a``a`… (4 characters)"
    assert len(read) == 5


@given(TEXTS)
def test_a_text_is_never_shown(text: str) -> None:
    assert masked(bind("SELECT * FROM t WHERE a = %(a)s LIMIT 5", {"a": text})) == "SELECT * FROM t WHERE a = ? LIMIT ?"


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
