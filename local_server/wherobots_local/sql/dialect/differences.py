"""Every difference between the service's SQL and SedonaDB's that is translated. The documentation lists them."""

from __future__ import annotations

from dataclasses import dataclass

from wherobots_local.sql.dialect.functions import EXPRESSED, REFUSED, RENAMED


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference.

    :param name: what differs.
    :param service: how the service's SQL has it.
    :param local: what the local server makes of it.
    """

    name: str
    service: str
    local: str


DIFFERENCES = (
    Difference("literals", r"`'it\'s'`, `\"text\"`, `r'\\d'`, `'a' 'b'`", "standard literals with the same value"),
    Difference("numbers", "`1L`, `1.5BD`, `2D`", "numbers without a suffix"),
    Difference("quoted names", "`` `name` ``", "the same; their case matters, but not in names of tables"),
    Difference("semicolon", "`SELECT 1;`", "without it; a second statement is refused, as by the service"),
    Difference("division", "`1 / 2` is 0.5", "a division of doubles"),
    Difference("operators", "`==`, `!x`, `RLIKE`, `MINUS`, `IS NOT DISTINCT FROM`", "`=`, `NOT`, `~`, `EXCEPT`, `<=>`"),
    Difference(
        "types", "`CAST(x AS LONG)`, `STRING`, `BINARY`, `ARRAY<INT>`", "types of Arrow; `MAP` and `STRUCT` refused"
    ),
    Difference("geometry columns", "`CREATE TABLE t (geom GEOMETRY)`", "a column of geometries, with one SRID"),
    Difference("aggregates of geometries", "`ST_Union_Aggr`", "`ST_Union_Agg`, and so for each `_Aggr`"),
    Difference("renamed functions", ", ".join(f"`{name}`" for name in sorted(RENAMED)), "the same by another name"),
    Difference(
        "expressed functions", ", ".join(f"`{name}`" for name in sorted({key[0] for key in EXPRESSED})), "an expression"
    ),
    Difference(
        "refused functions", ", ".join(f"`{name}`" for name in sorted(REFUSED)), "an error that says what to use"
    ),
    Difference("inline rows", "`FROM VALUES (1, 'a'), (2, 'b') AS t(id, name)`", "`FROM (VALUES ...) AS t(id, name)`"),
    Difference("elements of arrays", "`a[0]` is the first element", "`a[(0) + 1]`"),
    Difference("range", "`FROM range(10)`, with the column `id`", "the same"),
    Difference("order of NULL", "`ORDER BY a`: NULL is the smallest value", "the same"),
    Difference("NULL in concat", "`concat('a', NULL)` is NULL", "the operator `||`"),
    Difference("EXPLAIN", "one row with the `plan`", "the same, with the plan of DataFusion"),
    Difference("files", "`` FROM parquet.`s3://bucket/key` ``, also `csv`, `json`", "files and folders below the root"),
    Difference("schemas", "`CREATE DATABASE c.s`", "the schema, and the catalog too if it does not exist"),
    Difference("table clauses", "`USING`, `PARTITIONED BY`, `TBLPROPERTIES`, `COMMENT`", "accepted without an effect"),
    Difference("temporary views", "`CREATE TEMPORARY VIEW v AS ...`", "a view of the session"),
    Difference(
        "changes of rows", "`DELETE`, `UPDATE`, `MERGE`, `INSERT OVERWRITE`, `TRUNCATE`", "the table is rewritten"
    ),
    Difference(
        "changes of columns", "`ALTER TABLE ... ADD | DROP | RENAME COLUMN`, `RENAME TO`", "the table is rewritten"
    ),
    Difference("lists", "`SHOW CATALOGS | SCHEMAS | TABLES | VIEWS | COLUMNS`", "the service's columns"),
    Difference("DESCRIBE", "`DESCRIBE TABLE t`", "`col_name`, `data_type`, `comment`, with the types of Spark"),
    Difference("USE", "`USE c.s`", "the session's current schema"),
    Difference("SET", "`SET spark.sql.x = 1`", "kept and shown, without an effect; `datafusion.*` has one"),
    Difference(
        "statements without an effect", "`CACHE`, `REFRESH`, `ANALYZE`, `OPTIMIZE`, `VACUUM`", "succeed, and do nothing"
    ),
    Difference("names of columns", "`SELECT Id`, `count(*)`", "shown as the service shows them: `Id`, `count(1)`"),
)
