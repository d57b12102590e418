"""SHOW, DESCRIBE, USE and SET."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from wherobots_local.sql.database.results import Rows
from wherobots_local.sql.database.statement import Statement
from wherobots_local.sql.database.warehouse import DEFAULT_SCHEMA, SchemaName
from wherobots_local.sql.dialect.errors import failed, quoted, unsupported
from wherobots_local.sql.dialect.parser import Command, Name, name_of

# Settings of Spark SQL that change no answer.
_HARMLESS = tuple(f"spark.sql.{name}" for name in ("adaptive.", "autoBroadcast", "files.", "shuffle.", "parquet."))
_AS_IT_IS = {("spark.sql.session.timeZone", "utc"), ("spark.sql.ansi.enabled", "true")}


def _show_catalogs(statement: Statement, command: Command) -> Rows:
    return _table(catalog=_matching({schema.catalog for schema in statement.schemas()}, command.args.get("pattern")))


def _show_schemas(statement: Statement, command: Command) -> Rows:
    within = _within(command)
    if len(within) > 1:
        raise unsupported("schemas in a schema")
    (catalog,) = within or (statement.session.current.catalog,)
    schemas = [schema.schema for schema in statement.schemas() if schema.catalog == catalog]
    if not schemas:
        raise failed("CATALOG_NOT_FOUND", f"The catalog {quoted([catalog])} was not found.", "42P08")
    return _table(namespace=_matching(schemas, command.args.get("pattern")))


def _show_tables(statement: Statement, command: Command) -> Rows:
    schema = statement.schema((*_within(command), ""))
    statement.check_schema(schema)
    kind = command.name.removeprefix("SHOW ").removesuffix("S").lower()
    places = [(schema.schema, schema.stored, False)]
    if kind == "view":
        places.append(("", statement.session.temporary, True))
    rows = []
    for namespace, stored, is_temporary in places:
        names = [name for name, what in statement.kinds(stored).items() if what == kind]
        rows += [(namespace, name, is_temporary) for name in _matching(names, command.args.get("pattern"))]
    columns = {"namespace": pa.string(), f"{kind}Name": pa.string(), "isTemporary": pa.bool_()}
    return _rows(columns, rows)


def _describe(statement: Statement, command: Command) -> Rows:
    found = statement.spark_types(statement.target(command.args["name"]))
    rows = [(name, kind, None) for name, kind in found.items()]
    return _rows(dict.fromkeys(("col_name", "data_type", "comment"), pa.string()), rows)


def _explain(statement: Statement, command: Command) -> Rows:
    """Return the plan of DuckDB: the service's is another."""
    query = statement.plain(statement.written(command.args["value"]))
    return _table(plan=[text for _, text in statement.execute(f"EXPLAIN {query}").fetchall()])


def _show_columns(statement: Statement, command: Command) -> Rows:
    return _table(col_name=list(statement.columns_of(statement.target(command.args["name"]).full)))


def _show_create_table(statement: Statement, command: Command) -> Rows:
    target = statement.table(command.args["name"])
    required = statement.required(target)
    columns = [
        f"  {name} {kind.upper()}{' NOT NULL' if name in required else ''}"
        for name, kind in statement.spark_types(target).items()
    ]
    parts = [f"{unit}({column})" if unit else column for column, unit in statement.partitioning(target)]
    schema = SchemaName.of_stored(target.schema)
    listed = ",\n".join(columns)
    text = f"CREATE TABLE {'.'.join((*schema, target.name))} (\n{listed})\nUSING iceberg"
    return _table(createtab_stmt=[text + (f"\nPARTITIONED BY ({', '.join(parts)})" if parts else "")])


def _use(statement: Statement, command: Command) -> None:
    """Change the current schema. A single name is a schema of the current catalog, or else a catalog."""
    name = _within(command)
    schema = statement.schema((*name, ""))
    known = statement.schemas()
    if len(name) == 1 and schema not in known and name[0] in (other.catalog for other in known):
        schema = SchemaName(name[0], DEFAULT_SCHEMA)
    statement.check_schema(schema)
    statement.session.current = schema


def _set(statement: Statement, command: Command) -> Rows:
    key, value = command.args["name"], command.args["value"]
    if key.startswith("spark.sql.") and not key.startswith(_HARMLESS) and (key, value.lower()) not in _AS_IT_IS:
        raise unsupported(f"SET {key} = {value}"[:80])
    return _table(key=[key], value=[value])


def _nothing(statement: Statement, command: Command) -> None:
    """Accept a statement about caches, statistics or files, which DuckDB manages itself."""


COMMANDS: dict[str, Callable[[Statement, Command], Rows | None]] = {
    "DESCRIBE": _describe,
    "EXPLAIN": _explain,
    "NOTHING": _nothing,
    "SET": _set,
    "SHOW CATALOGS": _show_catalogs,
    "SHOW COLUMNS": _show_columns,
    "SHOW CREATE TABLE": _show_create_table,
    "SHOW SCHEMAS": _show_schemas,
    "SHOW TABLES": _show_tables,
    "SHOW VIEWS": _show_tables,
    "USE": _use,
}


def _within(command: Command) -> Name:
    return name_of(command.args["name"]) if command.args.get("name") else ()


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
