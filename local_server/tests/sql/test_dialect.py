"""The service's SQL, read and translated. Without an engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.places import TREE
from wherobots_local.sql.dialect.differences import DIFFERENCES
from wherobots_local.sql.dialect.errors import RefusedStatementError
from wherobots_local.sql.dialect.functions import EXPRESSED, RENAMED
from wherobots_local.sql.dialect.literals import literal_value
from wherobots_local.sql.dialect.statements import (
    CreateSchema,
    CreateTable,
    CreateView,
    DeleteRows,
    DescribeTable,
    DoNothing,
    DropColumns,
    DropObject,
    ExplainQuery,
    InsertRows,
    MergeRows,
    RenameColumn,
    RenameTable,
    RunQuery,
    SetOption,
    ShowObjects,
    SourceFile,
    UpdateRows,
    UseSchema,
)
from wherobots_local.sql.dialect.tokens import TokenKind, render, tokenize
from wherobots_local.sql.dialect.translate import translate

PAGE = TREE / "docs" / "local-sql-dialect.md"


def query(text: str) -> str:
    """The SQL of a query."""
    statement = translate(text).statement
    assert isinstance(statement, RunQuery)
    return statement.sql


def statement(text: str) -> Any:
    return translate(text).statement


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"plain", "plain"),
        (r"it\'s", "it's"),
        (r"a\\b", "a\\b"),
        (r"a\nb\tc\rd\be\Zf\0g", "a\nb\tc\rd\be\x1af\0g"),
        (r"100\%\_", r"100\%\_"),
        (r"\u00fc\U0001F30D", "ü\N{EARTH GLOBE EUROPE-AFRICA}"),
        (r"\101\x", "Ax"),
        ("a\\\nb", "a\nb"),
    ],
)
def test_escapes_of_literals(written: str, value: str) -> None:
    assert literal_value(written) == value


@pytest.mark.parametrize(
    ("spark", "sedona"),
    [
        (r"SELECT 'it\'s'", "SELECT 'it''s'"),
        ("SELECT 'O''Brien'", "SELECT 'OBrien'"),
        ("SELECT 'a' /* x */ 'b'", "SELECT 'ab'"),
        ("SELECT 'a'\n\"b'c\"", "SELECT 'ab''c'"),
        (r"SELECT r'\d+', R" + r'"\s"', r"SELECT '\d+' , '\s'"),
        ("SELECT X'01fF', x\"00\"", "SELECT X'01fF' , X'00'"),
        ("SELECT '-- no comment', '/* none */', ';'", "SELECT '-- no comment' , '/* none */' , ';'"),
        ('SELECT `a``b`, `c"d`', 'SELECT "a`b" , "c""d"'),
        ("SELECT 1 -- 'comment\n, 2", "SELECT 1 , 2"),
        ("SELECT /*+ BROADCAST(t) */ 1 /* a /* nested */ b */", "SELECT 1"),
        ("SELECT 1L, 2S, 3Y, 4.5BD, 5D, 6.5f, 7e3, .5", "SELECT 1 , 2 , 3 , 4.5 , 5.0 , 6.5 , 7e3 , .5"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ; -- end\n;", "SELECT 1"),
        ("SELECT a / b", "SELECT a * 1e0 / b"),
        ("SELECT a == b, a <=> b, !c", "SELECT a = b , a <=> b , NOT c"),
        ("SELECT a RLIKE 'b', a NOT RLIKE 'c'", "SELECT a ~ 'b' , a !~ 'c'"),
        ("SELECT 1 MINUS SELECT 2", "SELECT 1 EXCEPT SELECT 2"),
        ("SELECT 1 MINUS (SELECT 2)", "SELECT 1 EXCEPT ( SELECT 2 )"),
        ("SELECT CAST(a AS LONG)", "SELECT arrow_cast(a, 'Int64')"),
        ("SELECT CAST(a + 1 AS DECIMAL(10, 2))", "SELECT arrow_cast(a + 1, 'Decimal128(10,2)')"),
        ("SELECT CAST(a AS ARRAY<ARRAY<STRING>>)", "SELECT arrow_cast(a, 'List(List(Utf8))')"),
        ("SELECT TRY_CAST(a AS INT)", "SELECT TRY_CAST(a AS INT)"),
        ("SELECT CAST(CAST(a AS INT) / 2 AS STRING)", "SELECT arrow_cast(arrow_cast(a, 'Int32') * 1e0 / 2, 'Utf8')"),
        ("SELECT ST_Union_Aggr(g), st_envelope_aggr(g)", "SELECT st_union_agg ( g ) , st_envelope_agg ( g )"),
        ("SELECT a[0], m['k'], b[i - 1][0]", "SELECT a [(0) + 1] , m ['k'] , b [(i - 1) + 1] [(0) + 1]"),
        ("SELECT MEAN(a)", "SELECT avg ( a )"),
        ("SELECT IF(a > 1, 'x', f(b, c))", "SELECT CASE WHEN a > 1 THEN 'x' ELSE f ( b , c ) END"),
        ("SELECT EXTRACT(year FROM d)", "SELECT date_part('year', d)"),
        ("SELECT t.size, t.date FROM t", "SELECT t.size , t.date FROM t"),
        (
            "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(x, y)",
            "SELECT * FROM (VALUES (1 , 'a'), (2 , 'b')) AS t ( x , y )",
        ),
        ("SELECT * FROM VALUES 1, 2 AS t(x)", "SELECT * FROM (VALUES (1), (2)) AS t ( x )"),
        ("SELECT `Ab` FROM `My`.`Tab`", 'SELECT "Ab" FROM "my"."tab"'),
        (
            "SELECT a, b FROM `T` x, range(2), VALUES (1, 2) AS v WHERE a IN (1, 2) ORDER BY a, range",
            'SELECT a , b FROM "t" x , (SELECT value AS id FROM range(2)) , (VALUES (1 , 2)) AS v'
            " WHERE a IN ( 1 , 2 ) ORDER BY a , range",
        ),
        ("TABLE t", "SELECT * FROM t"),
        ("(SELECT 1)", "( SELECT 1 )"),
        ("WITH a AS (SELECT 1/2) SELECT * FROM a", "WITH a AS ( SELECT 1 * 1e0 / 2 ) SELECT * FROM a"),
        ("SELECT * FROM range(1, 5) r", "SELECT * FROM (SELECT value AS id FROM range(1 , 5)) r"),
        ("SELECT a <=> b AND c IS NOT DISTINCT FROM 'd'", "SELECT a <=> b AND c <=> 'd'"),
        ("SELECT a IS DISTINCT FROM 'b', (c)", "SELECT a IS DISTINCT FROM 'b' , ( c )"),
        ("SELECT trim(BOTH 'x' FROM 'y'), trim('x', a)", "SELECT trim(BOTH 'x' FROM 'y') , btrim(a, 'x')"),
        ("SELECT trim(a)", "SELECT trim ( a )"),
        ("SELECT EXTRACT(DOW FROM d)", "SELECT (date_part('dow', d) + 1)"),
        ("SELECT date_part('{x}', d), date_part(p, d)", "SELECT date_part('{x}', d) , date_part ( p , d )"),
        ("SELECT date_part('dayofweek_iso', d)", "SELECT ((date_part('dow', d) + 6) % 7 + 1)"),
        ("SELECT date_part(, d)", "SELECT date_part ( , d )"),
        ("SELECT minus, t.into FROM t", "SELECT minus , t.into FROM t"),
        ("SELECT concat(a, b + 1)", "SELECT ('' || (a) || (b + 1))"),
    ],
)
def test_queries(spark: str, sedona: str) -> None:
    assert query(spark) == sedona


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "[PARSE_EMPTY_STATEMENT]"),
        (" ; -- nothing", "[PARSE_EMPTY_STATEMENT]"),
        ("SELECT 1; SELECT 2", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELECT'"),
        ("SELECT 'open", '[PARSE_SYNTAX_ERROR] Syntax error at or near "\'": it is not closed'),
        ("SELECT `open", "[PARSE_SYNTAX_ERROR] Syntax error at or near '`': it is not closed"),
        ("SELECT 1 /* open", "[UNCLOSED_BRACKETED_COMMENT]"),
        ("SELECT (1", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT " + "f(" * 5000 + ")" * 5000, "not supported by the local server: parentheses nested so deeply"),
        ("SELECT $1", "[PARSE_SYNTAX_ERROR] Syntax error at or near '$'"),
        ("SELEC 1", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'"),
        ("SELECT * FROM 'file.parquet'", "[PARSE_SYNTAX_ERROR]"),
        ("TABLE 'file.parquet'", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT * FROM `/etc/x.csv`", "not supported by the local server: the name '/etc/x.csv', with a slash"),
        ("SELECT * FROM t, c.s.`file:///x.csv`", "not supported by the local server: the name 'file:///x.csv'"),
        ("TABLE `/etc/x.csv`", "not supported by the local server: the name '/etc/x.csv'"),
        ("DESCRIBE `/etc/x.csv`", "not supported by the local server: the name '/etc/x.csv'"),
        ("INSERT INTO t TABLE `/x.csv`", "not supported by the local server: the name '/x.csv'"),
        ("MERGE INTO t USING `/x.csv` s ON true WHEN MATCHED THEN DELETE", "the name '/x.csv'"),
        ("CREATE TABLE `../x` AS SELECT 1", "not supported by the local server: the name '../x'"),
        ("SELECT * FROM ``", "[PARSE_SYNTAX_ERROR] Syntax error at or near '``': a name is empty"),
        ("CREATE TABLE a.`` AS SELECT 1", "a name is empty"),
        ("ALTER TABLE t RENAME TO ``", "a name is empty"),
        ("DROP SCHEMA a.``", "a name is empty"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'", "not supported by the local server: EXPLAIN of what"),
        ("EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'", "not supported by the local server: EXPLAIN of what"),
        ("EXPLAIN (ANALYZE) SELECT 1", "not supported by the local server: EXPLAIN of what"),
        ("(COPY t TO '/tmp/x.csv')", "[PARSE_SYNTAX_ERROR] Syntax error at or near '('"),
        ("SELECT 1 AS a INTO t", "not supported by the local server: SELECT ... INTO"),
        ("WITH q AS (SELECT 1) SELECT * INTO t FROM q", "not supported by the local server: SELECT ... INTO"),
        ("SELECT a IS DISTINCT FROM b AND c", "not supported by the local server: IS DISTINCT FROM before AND or OR"),
        ("SET datafusion.catalog.default_schema = x", "not supported by the local server: SET datafusion.catalog"),
        ("COMMENT ON TABLE t IS 'x'", "not supported by the local server: COMMENT statements"),
        ("CREATE TABLE t", "[PARSE_SYNTAX_ERROR]"),
        ("DELETE FROM t WHERE", "[PARSE_SYNTAX_ERROR]"),
        ("UPDATE t SET a", "[PARSE_SYNTAX_ERROR]"),
        ("INSERT INTO t", "[PARSE_SYNTAX_ERROR]"),
        ("MERGE INTO t USING s ON a = b", "[PARSE_SYNTAX_ERROR]"),
        ("DROP TABLE a.b.c.d", "[PARSE_SYNTAX_ERROR]"),
        ("DROP TABLE t extra", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'extra'"),
        ("SELECT ST_Collect(a, b)", "not supported by the local server: the function ST_Collect"),
        ("SELECT * FROM t LATERAL VIEW explode(a) b AS c", "not supported by the local server: LATERAL VIEW"),
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "not supported by the local server: TABLESAMPLE"),
        ("SELECT 7 DIV 2", "not supported by the local server: DIV"),
        ("SELECT * FROM t VERSION AS OF 1", "not supported by the local server: time travel"),
        ("SELECT CAST(a AS MAP<STRING, INT>)", "not supported by the local server: the type MAP"),
        ("SELECT CAST(a AS GEOMETRY)", "not supported by the local server: CAST to GEOMETRY"),
        ("SELECT * FROM parquet.`/etc/passwd`", "not supported by the local server: reading '/etc/passwd'"),
        ("SELECT * FROM csv.`file:///etc/passwd`", "not supported by the local server: reading"),
        ("FROM t SELECT a", "not supported by the local server: a query that begins with FROM"),
        ("COPY t TO 'x'", "not supported by the local server: COPY statements"),
        (
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/x'",
            "not supported by the local server: CREATE EXTERNAL",
        ),
        ("CREATE TABLE t (a INT) LOCATION 's3://b/k'", "not supported by the local server: CREATE TABLE ... LOCATION"),
        ("CREATE TABLE t (a INT DEFAULT 1)", "not supported by the local server: DEFAULT of a column"),
        ("CREATE TEMPORARY VIEW a.v AS SELECT 1", "not supported by the local server: a temporary view with the name"),
        ("CREATE FUNCTION f AS 'x'", "not supported by the local server: CREATE FUNCTION"),
        ("ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')", "not supported by the local server: ALTER TABLE ... SET"),
        ("SHOW PARTITIONS t", "not supported by the local server: SHOW PARTITIONS"),
        ("DESCRIBE FUNCTION f", "not supported by the local server: DESCRIBE FUNCTION"),
        ("CACHE TABLE a AS SELECT 1", "not supported by the local server: CACHE TABLE ... AS"),
    ],
)
def test_refusals(text: str, what: str) -> None:
    with pytest.raises(RefusedStatementError) as raised:
        translate(text)
    assert what in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EXPLAIN EXTENDED SELECT 1/2", ExplainQuery("SELECT 1 * 1e0 / 2")),
        ("CREATE DATABASE My.Db", CreateSchema(("my", "db"), False)),
        ("CREATE SCHEMA IF NOT EXISTS `a`.b COMMENT 'x' WITH DBPROPERTIES ('k' = 'v')", CreateSchema(("a", "b"), True)),
        (
            "CREATE TABLE IF NOT EXISTS c.s.T (Id BIGINT NOT NULL COMMENT 'it''s', geom GEOMETRY, d DECIMAL(4))"
            " USING havasu.iceberg PARTITIONED BY (bucket(4, id)) TBLPROPERTIES ('a' = 'b') COMMENT 'c'",
            CreateTable(
                ("c", "s", "t"),
                'SELECT arrow_cast(NULL, \'Int64\') AS "id", ST_GeomFromWKT(CAST(NULL AS VARCHAR)) AS "geom",'
                " arrow_cast(NULL, 'Decimal128(4,0)') AS \"d\" LIMIT 0",
                True,
                False,
            ),
        ),
        (
            "CREATE OR REPLACE TABLE t USING iceberg AS SELECT 1/2 AS h",
            CreateTable(("t",), "SELECT 1 * 1e0 / 2 AS h", False, True),
        ),
        ("REPLACE TABLE t AS SELECT 1", CreateTable(("t",), "SELECT 1", False, True)),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", CreateView(("v",), "SELECT 1", False, True, True)),
        (
            "CREATE VIEW IF NOT EXISTS c.s.v (a, B) COMMENT 'x' AS SELECT 1, 2",
            CreateView(("c", "s", "v"), 'SELECT * FROM (SELECT 1 , 2) AS named("a", "b")', True, False, False),
        ),
        ("DROP TABLE IF EXISTS c.s.t PURGE;", DropObject("table", ("c", "s", "t"), True, False)),
        ("DROP VIEW v", DropObject("view", ("v",), False, False)),
        ("DROP DATABASE s CASCADE", DropObject("schema", ("s",), False, True)),
        ("INSERT INTO t SELECT 1", InsertRows(("t",), None, "SELECT 1", False)),
        ("INSERT INTO TABLE t (A, b) VALUES (1, 'x')", InsertRows(("t",), ("a", "b"), "VALUES ( 1 , 'x' )", False)),
        ("INSERT INTO t TABLE a.S", InsertRows(("t",), None, 'SELECT * FROM "a"."s"', False)),
        ("INSERT OVERWRITE t (SELECT 1)", InsertRows(("t",), None, "( SELECT 1 )", True)),
        ("DELETE FROM t", DeleteRows(("t",), "", None)),
        ("DELETE FROM a.t AS x WHERE x.id = 1", DeleteRows(("a", "t"), "x", "x.id = 1")),
        ("TRUNCATE TABLE t", DeleteRows(("t",), "", None)),
        (
            "UPDATE t u SET u.A = 1, b = IF(a == 1, 2, 3) WHERE c",
            UpdateRows(("t",), "u", (("a", "1"), ("b", "CASE WHEN a = 1 THEN 2 ELSE 3 END")), "c"),
        ),
        ("ALTER TABLE t RENAME TO u", RenameTable(("t",), ("u",))),
        ("ALTER TABLE t RENAME COLUMN A TO b", RenameColumn(("t",), "a", "b")),
        ("ALTER TABLE t DROP COLUMNS (a, b)", DropColumns(("t",), ("a", "b"), False)),
        ("ALTER TABLE t DROP COLUMN IF EXISTS a", DropColumns(("t",), ("a",), True)),
        ("SHOW SCHEMAS IN c", ShowObjects("schemas", ("c",), None)),
        ("SHOW DATABASES LIKE 'a*'", ShowObjects("schemas", None, "a*")),
        ("SHOW TABLES FROM c.s 'x|y'", ShowObjects("tables", ("c", "s"), "x|y")),
        ("show views", ShowObjects("views", None, None)),
        ("SHOW CATALOGS", ShowObjects("catalogs", None, None)),
        ("SHOW COLUMNS IN t IN s", DescribeTable(("s", "t"), names_only=True)),
        ("DESCRIBE TABLE EXTENDED c.s.t", DescribeTable(("c", "s", "t"))),
        ("desc t", DescribeTable(("t",))),
        ("USE SCHEMA c.s", UseSchema(("c", "s"))),
        ("SET spark.sql.shuffle.partitions = 4", SetOption("spark.sql.shuffle.partitions", "4")),
        ("SET a.b = 'x y'", SetOption("a.b", "x y")),
        ("SET a.b", SetOption("a.b", None)),
        ("ANALYZE TABLE t COMPUTE STATISTICS", DoNothing()),
        ("CACHE LAZY TABLE t", DoNothing()),
    ],
)
def test_statements(text: str, expected: object) -> None:
    assert statement(text) == expected


def test_merge() -> None:
    merge = statement(
        "MERGE INTO c.s.t AS target USING (SELECT 1 AS id, 2/1 AS x) src ON target.id = src.id"
        " WHEN MATCHED AND src.x IS NULL THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET target.x = CASE WHEN src.x == 1 THEN 0 ELSE src.x END, y = 'WHEN'"
        " WHEN NOT MATCHED THEN INSERT (id, x) VALUES (src.id, src.x)"
        " WHEN NOT MATCHED BY SOURCE AND target.id > 5 THEN UPDATE SET x = 0;"
    )
    assert isinstance(merge, MergeRows)
    assert (merge.name, merge.alias, merge.source_alias) == (("c", "s", "t"), "target", "src")
    assert merge.source == "(SELECT 1 AS id , 2 * 1e0 / 1 AS x)"
    assert merge.on == "target.id = src.id"
    assert [(clause.rows, clause.condition, clause.action) for clause in merge.clauses] == [
        ("matched", "src.x IS NULL", "delete"),
        ("matched", None, "update"),
        ("not_matched", None, "insert"),
        ("not_matched_by_source", "target.id > 5", "update"),
    ]
    assert merge.clauses[1].values == (("x", "CASE WHEN src.x = 1 THEN 0 ELSE src.x END"), ("y", "'WHEN'"))
    assert merge.clauses[2].values == (("id", "src.id"), ("x", "src.x"))


def test_merge_of_all_columns_of_a_table() -> None:
    merge = statement(
        "MERGE INTO t USING a.s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    assert (merge.source, merge.source_alias) == ('"a"."s"', "s")
    assert [clause.values for clause in merge.clauses] == [None, None]


def test_files_are_found_in_queries_and_named_in_the_sql() -> None:
    read = translate(
        "CREATE VIEW v AS SELECT * FROM parquet.`s3://b/Key.parquet` a JOIN geoparquet.`s3a://b/dir` b ON a.id = b.id"
        " JOIN (SELECT * FROM csv.`s3://b/x.csv`) c ON true JOIN parquet.`s3://b/Key.parquet` d ON true"
    )
    assert read.files == (
        SourceFile("parquet", "s3://b/Key.parquet"),
        SourceFile("parquet", "s3://b/dir"),
        SourceFile("csv", "s3://b/x.csv"),
    )
    assert isinstance(read.statement, CreateView)
    assert '"s3"."parquet"."s3://b/Key.parquet" a JOIN "s3"."parquet"."s3://b/dir" b' in read.statement.sql


def test_how_columns_are_spelled() -> None:
    assert translate("SELECT MyId, CAST(x AS DATE) AS date, count(*) AS Total FROM T").spelling == {
        "myid": "MyId",
        "total": "Total",
        "t": "T",
    }


def test_a_statement_is_json_with_its_kind() -> None:
    wire = statement("MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE").to_wire()
    assert json.loads(json.dumps(wire))["clauses"][0]["action"] == "delete"
    assert wire["kind"] == "merge_rows"


def test_a_function_is_known_in_one_way() -> None:
    assert not set(RENAMED) & {name for name, _ in EXPRESSED} - {"locate"}


@given(st.text())
def test_any_value_survives_as_a_literal(value: str) -> None:
    """Written as the service reads it, a value comes out as a literal that SedonaDB reads as the same."""
    written = value.replace("\\", "\\\\").replace("'", "\\'")
    (token,) = tokenize(f"'{written}'")
    assert (token.kind, token.text) == (TokenKind.STRING, value)
    assert token.sql == "'" + value.replace("'", "''") + "'"


@given(st.text(alphabet="ab'\"`\\/*-; \n1.()=<>!", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        render(tokenize(text))
        translate(text)
    except RefusedStatementError:
        pass


def test_the_page_lists_every_difference() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    listed = [(name.removeprefix("| "), service, local.removesuffix(" |")) for name, service, local in rows[1:]]
    assert listed == [(found.name, _cell(found.service), _cell(found.local)) for found in DIFFERENCES]


def _cell(text: str) -> str:
    """A vertical bar would end the cell."""
    return text.replace(" | ", r" \| ")
