"""SHOW, DESCRIBE, EXPLAIN, USE and SET, which sqlglot does not parse, or only in part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from wherobots_local.sql.database.results import Rows, spark_type
from wherobots_local.sql.database.warehouse import DEFAULT_SCHEMA, SchemaName, identifier
from wherobots_local.sql.dialect.errors import failed, quoted, unsupported
from wherobots_local.sql.dialect.parser import Name, read, read_name

if TYPE_CHECKING:
    from wherobots_local.sql.database.session import Statement

_PART = r"(?:`(?:[^`]|``)*`|[^\s'\"`;.()]+)"
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_IN = rf"(?:\s+(?:IN|FROM)\s+(?P<within>{_NAME}))?"
_LIKE = r"(?:\s+(?:LIKE\s+)?(?P<quote>['\"])(?P<pattern>.*)(?P=quote))?"


def run(statement: Statement, text: str) -> tuple[Rows | None] | None:
    """Return the rows of a statement, or that it has none, in a tuple; None if it is not one of these."""
    bare = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", "", text, count=1, flags=re.DOTALL).rstrip("; \t\r\n")
    for pattern, command in _COMMANDS:
        if (found := pattern.fullmatch(bare)) is not None:
            return (command(statement, found),)
    return None


def _show_catalogs(statement: Statement, found: re.Match[str]) -> Rows:
    return _table(catalog=_matching({schema.catalog for schema in statement.schemas()}, found["pattern"]))


def _show_schemas(statement: Statement, found: re.Match[str]) -> Rows:
    within = _within(found)
    if len(within) > 1:
        raise unsupported("schemas in a schema")
    (catalog,) = within or (statement.session.current.catalog,)
    schemas = [schema.schema for schema in statement.schemas() if schema.catalog == catalog]
    if not schemas:
        raise failed("CATALOG_NOT_FOUND", f"The catalog {quoted([catalog])} was not found.", "42P08")
    return _table(namespace=_matching(schemas, found["pattern"]))


def _show_tables(statement: Statement, found: re.Match[str]) -> Rows:
    schema = statement.schema((*_within(found), ""))
    statement.check_schema(schema)
    kind = found["what"].lower()
    places = [(schema.schema, schema.stored, False)]
    if kind == "view":
        places.append(("", statement.session.temporary, True))
    rows = []
    for namespace, stored, is_temporary in places:
        names = [name for name, what in statement.kinds(stored).items() if what == kind]
        rows += [(namespace, name, is_temporary) for name in _matching(names, found["pattern"])]
    columns = {"namespace": pa.string(), f"{kind}Name": pa.string(), "isTemporary": pa.bool_()}
    return _rows(columns, rows)


def _show_columns(statement: Statement, found: re.Match[str]) -> Rows:
    return _table(col_name=[name for name, _ in _columns(statement, (*_within(found), *read_name(found["name"])))])


def _describe(statement: Statement, found: re.Match[str]) -> Rows:
    rows = [(name, kind, None) for name, kind in _columns(statement, read_name(found["name"]))]
    return _rows(dict.fromkeys(("col_name", "data_type", "comment"), pa.string()), rows)


def _explain(statement: Statement, found: re.Match[str]) -> Rows:
    query = read(found["query"])
    if not isinstance(query, exp.Query | exp.Values):
        raise unsupported("EXPLAIN of a statement that is not a query")
    plan = statement.execute(f"EXPLAIN {statement.written(query)}").fetchall()
    return _table(plan=["\n".join(f"== {name} ==\n{text}" for name, text in plan)])


def _use(statement: Statement, found: re.Match[str]) -> None:
    """Change the current schema. A single name is a schema of the current catalog, or else a catalog."""
    name = read_name(found["name"])
    schema = statement.schema((*name, ""))
    known = statement.schemas()
    if len(name) == 1 and schema not in known and name[0] in (other.catalog for other in known):
        schema = SchemaName(name[0], DEFAULT_SCHEMA)
    statement.check_schema(schema)
    statement.session.current = schema


def _set(statement: Statement, found: re.Match[str]) -> Rows:
    options = statement.session.options
    if found["value"] is not None:
        options[found["key"]] = re.sub(r"\A(['\"])(.*)\1\Z", r"\2", found["value"])
    return _table(key=[found["key"]], value=[options.get(found["key"], "<undefined>")])


def _nothing(statement: Statement, found: re.Match[str]) -> None:
    """Accept a statement about caches, statistics or files, which DuckDB manages itself."""


def _refuse(statement: Statement, found: re.Match[str]) -> None:
    raise unsupported(" ".join(found[0].split())[:40])


_COMMANDS: Sequence[tuple[re.Pattern[str], Callable[[Statement, re.Match[str]], Rows | None]]] = [
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), command)
    for pattern, command in (
        (rf"SHOW\s+CATALOGS{_LIKE}", _show_catalogs),
        (rf"SHOW\s+(?:SCHEMAS|DATABASES|NAMESPACES){_IN}{_LIKE}", _show_schemas),
        (rf"SHOW\s+(?P<what>TABLE|VIEW)S{_IN}{_LIKE}", _show_tables),
        (rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+(?P<name>{_NAME}){_IN}", _show_columns),
        (rf"DESC(?:RIBE)?\s+(?:TABLE\s+)?(?:(?:EXTENDED|FORMATTED)\s+)?(?P<name>{_NAME})", _describe),
        (r"EXPLAIN\s+(?:(?:EXTENDED|CODEGEN|COST|FORMATTED)\s+)?(?P<query>.*)", _explain),
        (rf"(?:USE(?:\s+(?:SCHEMA|DATABASE|NAMESPACE|CATALOG))?|SET\s+CATALOG)\s+(?P<name>{_NAME})", _use),
        (r"SET\s+(?P<key>[\w.\-]+)(?:\s*=\s*(?P<value>.*))?", _set),
        (r"CACHE\s+(?:LAZY\s+)?TABLE\s[^\s]+\s+AS\s.*", _refuse),
        (r"(?:ANALYZE|CACHE|CLEAR|MSCK|OPTIMIZE|REFRESH|UNCACHE|VACUUM)\b.*", _nothing),
        (r"(?:SHOW|DESC|DESCRIBE|SET|USE)\b.*", _refuse),
    )
]


def _within(found: re.Match[str]) -> Name:
    return read_name(found["within"]) if found["within"] else ()


def _columns(statement: Statement, name: Name) -> list[tuple[str, str]]:
    schema = statement.schema_of(exp.to_table(".".join(identifier(part) for part in name)))
    found = statement.columns_of(f"{identifier(schema)}.{identifier(name[-1])}")
    return [(column, spark_type(kind)) for column, kind in found.items()]


def _matching(names: Iterable[str], pattern: str | None) -> list[str]:
    """Return the names that match Spark's pattern: ``*`` is any text, and ``|`` is or."""
    if pattern is None:
        return sorted(names)
    choices = [".*".join(map(re.escape, choice.strip().split("*"))) for choice in pattern.split("|")]
    wanted = re.compile("|".join(f"(?:{choice})" for choice in choices), re.IGNORECASE)
    return sorted(name for name in names if wanted.fullmatch(name))


def _table(**columns: list[str]) -> Rows:
    return Rows(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))


def _rows(columns: dict[str, pa.DataType], rows: Sequence[tuple[object, ...]]) -> Rows:
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return Rows(pa.Table.from_pylist(named, schema=pa.schema(columns.items())))
