"""INSERT, DELETE, UPDATE and MERGE. Each writes files and then replaces the definition of the table."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from columns import MixedSridsError, cast_name, rows_of
from definitions import Statement, check_schema, no_column, table_of, write_table
from failures import FailedStatementError
from geoparquet import write_table_file
from session import Query, Session, not_found, quoted
from warehouse import FullName

_SOURCE, _ROW, _FOUND = "wherobots_source", "wherobots_row", "wherobots_found"

_SUBQUERY = re.compile(r"\(\s*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)

Types = dict[str, str | None]
"""Column to its type as ``arrow_cast`` takes it: None for geometries, ``""`` for a type that it does not take."""


def insert_rows(session: Session, statement: Statement) -> None:
    """Add rows, or replace all."""
    name = _table(session, statement)
    types = _types(session, name)
    given = session.plan(Query(statement["sql"], statement["sources"])).columns
    columns = statement["columns"] if statement["columns"] is not None else list(types)
    for column in columns:
        if column not in types:
            raise no_column(column, list(types))
    if len(columns) != len(given) or len(set(columns)) != len(columns):
        raise FailedStatementError(
            f"[INSERT_COLUMN_ARITY_MISMATCH] Cannot write to {'.'.join(name)}: it takes {len(columns)} columns"
            f" ({', '.join(columns)}), and the data has {len(given)}. SQLSTATE: 21S01"
        )
    numbers = {column: quoted([_SOURCE, f"c{number}"]) for number, column in enumerate(columns)}
    selected = (_as_column(numbers.get(column, "NULL"), column, types[column]) for column in types)
    named = ", ".join(f"c{number}" for number in range(len(columns)))
    sql = f"SELECT {', '.join(selected)} FROM ({statement['sql']}) AS {_SOURCE}({named})"
    query = Query(sql, statement["sources"])
    if statement["overwrite"]:
        with session.warehouse.changing(name):
            table_of(session, name)
            write_table(session, name, query)
        return
    _append(session, name, query)


def delete_rows(session: Session, statement: Statement) -> None:
    """Delete rows."""
    name = _table(session, statement)
    kept = "false" if statement["condition"] is None else f"({statement['condition']}) IS NOT TRUE"
    sql = f"SELECT * FROM {_aliased(name, statement['alias'])} WHERE {kept}"
    _replace(session, name, Query(sql, statement["sources"]))


def update_rows(session: Session, statement: Statement) -> None:
    """Give columns new values."""
    name = _table(session, statement)
    types = _types(session, name)
    alias = statement["alias"] or name[2]
    table = _aliased(name, statement["alias"])
    values = _values(statement["values"], types)

    def selected(condition: str) -> str:
        columns = []
        for column, kind in types.items():
            own = quoted([alias, column])
            cases = [(condition, values[column])] if column in values else []
            columns.append(_choice(cases, own, column, kind))
        return f"SELECT {', '.join(columns)} FROM {table}"

    condition = statement["condition"] or "true"
    sql = selected(condition)
    if _SUBQUERY.search(condition):
        # SedonaDB knows subqueries in WHERE, but not in CASE.
        sql = f"{selected('true')} WHERE {condition} UNION ALL {selected('false')} WHERE ({condition}) IS NOT TRUE"
    _replace(session, name, Query(sql, statement["sources"]))


def merge_rows(session: Session, statement: Statement) -> None:
    """Update, delete and insert rows by those of a source."""
    name = _table(session, statement)
    sources = statement["sources"]
    with session.warehouse.changing(name):
        table_of(session, name)
        types = _types(session, name)
        merge = _Merge(statement, name, types)
        if merge.may_match and _has_rows(session, Query(merge.doubles(), sources)):
            raise FailedStatementError(
                "[MERGE_CARDINALITY_VIOLATION] The ON search condition of the MERGE statement matched a single row from"
                " the target table with multiple rows of the source table. SQLSTATE: 23K01"
            )
        write_table(session, name, Query(merge.rows(), sources))


class _Merge:
    """The queries of a MERGE: the rows of the target, joined with those of the source, and the new ones."""

    def __init__(self, statement: Statement, name: FullName, types: Types) -> None:
        self._types = types
        self._target = statement["alias"] or name[2]
        self._alias = statement["source_alias"] or _SOURCE
        self._table = quoted(name)
        self._source = statement["source"]
        self._on = statement["on"]
        self._clauses = statement["clauses"]

    @property
    def may_match(self) -> bool:
        return any(clause["rows"] == "matched" for clause in self._clauses)

    def doubles(self) -> str:
        """Rows of the target that match several of the source."""
        target = f"(SELECT *, row_number() OVER () AS {_ROW} FROM {self._table})"
        return (
            f"SELECT 1 AS one FROM {target} AS {quoted([self._target])} JOIN {self._joined()} ON {self._on}"
            f" GROUP BY {quoted([self._target, _ROW])} HAVING count(*) > 1 LIMIT 1"
        )

    def rows(self) -> str:
        """All rows that the table has afterwards."""
        return f"{self._kept()} UNION ALL {self._inserted()}" if self._has("not_matched") else self._kept()

    def _kept(self) -> str:
        matched = f"{quoted([self._alias, _FOUND])} IS TRUE"
        if not self.may_match:
            return self._kept_by_source()
        states = {"matched": f"({matched})", "not_matched_by_source": f"(NOT ({matched}))"}
        cases = [
            (f"{states[clause['rows']]} AND ({clause['condition'] or 'true'})", clause)
            for clause in self._clauses
            if clause["rows"] in states
        ]
        selected = []
        for column, kind in self._types.items():
            own = quoted([self._target, column])
            choices = [(condition, self._value(clause, column, own)) for condition, clause in cases]
            selected.append(_choice(choices, own, column, kind))
        action = " ".join(f"WHEN {condition} THEN '{clause['action']}'" for condition, clause in cases)
        kept = f" WHERE CASE {action} ELSE 'keep' END <> 'delete'" if action else ""
        join = f"{self._table} AS {quoted([self._target])} LEFT JOIN {self._joined()} ON {self._on}"
        return f"SELECT {', '.join(selected)} FROM {join}{kept}"

    def _kept_by_source(self) -> str:
        """Rows of the target where none that match change. They may match several of the source, and stay once."""
        target = f"{self._table} AS {quoted([self._target])}"
        owns = {column: quoted([self._target, column]) for column in self._types}
        same = ", ".join(f"{own} AS {quoted([column])}" for column, own in owns.items())
        clauses = [clause for clause in self._clauses if clause["rows"] == "not_matched_by_source"]
        if not clauses:
            return f"SELECT {same} FROM {target}"
        cases = [(f"({clause['condition'] or 'true'})", clause) for clause in clauses]
        selected = [
            _choice([(on, self._value(clause, column, own)) for on, clause in cases], own, column, self._types[column])
            for column, own in owns.items()
        ]
        action = " ".join(f"WHEN {on} THEN '{clause['action']}'" for on, clause in cases)
        return (
            f"SELECT {same} FROM {target} LEFT SEMI JOIN {self._joined()} ON {self._on}"
            f" UNION ALL SELECT {', '.join(selected)} FROM {target} LEFT ANTI JOIN {self._joined()} ON {self._on}"
            f" WHERE CASE {action} ELSE 'keep' END <> 'delete'"
        )

    def _inserted(self) -> str:
        clauses = [clause for clause in self._clauses if clause["rows"] == "not_matched"]
        selected = []
        for column, kind in self._types.items():
            choices = [(clause["condition"] or "true", self._value(clause, column, "NULL")) for clause in clauses]
            selected.append(_choice(choices, "NULL", column, kind))
        wanted = " OR ".join(f"({clause['condition'] or 'true'})" for clause in clauses)
        unmatched = f"{self._joined()} LEFT ANTI JOIN {self._table} AS {quoted([self._target])} ON {self._on}"
        return f"SELECT {', '.join(selected)} FROM {unmatched} WHERE {wanted}"

    def _value(self, clause: dict[str, Any], column: str, own: str) -> str:
        if clause["action"] == "delete":
            return own
        if clause["values"] is None:
            return quoted([self._alias, column])
        return _values(clause["values"], self._types).get(column, own)

    def _joined(self) -> str:
        return f"(SELECT *, true AS {_FOUND} FROM {self._source} AS {_SOURCE}) AS {quoted([self._alias])}"

    def _has(self, rows: str) -> bool:
        return any(clause["rows"] == rows for clause in self._clauses)


def _append(session: Session, name: FullName, query: Query) -> None:
    path = session.warehouse.new_file(name)
    rows, srids = write_table_file(rows_of(session.plan(query)), path)
    if not rows:
        path.unlink()
        return
    with session.warehouse.changing(name):
        definition = table_of(session, name)
        own = definition["srids"]
        for column, srid in srids.items():
            if srid is not None and own[column] not in (None, srid):
                raise MixedSridsError(
                    f"not supported by the local server: the column {column} has the SRID {own[column]}, and these"
                    f" rows have {srid}; use ST_SetSRID or ST_Transform"
                )
        met = {column: srid for column, srid in srids.items() if srid is not None}
        files = [*definition["files"], path.name]
        session.warehouse.define(name, {**definition, "files": files, "srids": {**own, **met}})


def _replace(session: Session, name: FullName, query: Query) -> None:
    with session.warehouse.changing(name):
        definition = table_of(session, name)
        path = session.warehouse.new_file(name)
        rows, srids = write_table_file(rows_of(session.plan(query)), path)
        if not rows:
            # Nothing is left that has an SRID.
            srids = definition["srids"]
        session.warehouse.define(name, {**definition, "files": [path.name], "srids": srids})


def _table(session: Session, statement: Statement) -> FullName:
    parts = statement["name"]
    if len(parts) == 1 and parts[0] in session.temporary_views:
        raise FailedStatementError(f"[EXPECT_TABLE_NOT_VIEW] {parts[0]} is a temporary view. SQLSTATE: 42809")
    name = session.full_name(parts)
    if not session.warehouse.has_schema(*name[:2]):
        raise not_found(name)
    check_schema(session, name)
    table_of(session, name)
    return name


def _types(session: Session, name: FullName) -> Types:
    rows = rows_of(session.plan(Query(f"SELECT * FROM {quoted(name)}")).limit(0))
    return {column.name: None if column.name in rows.geometries else cast_name(column.type) for column in rows.schema}


def _values(values: list[list[str]], types: Types) -> dict[str, str]:
    for column, _ in values:
        if column not in types:
            raise no_column(column, list(types))
    return dict(values)


def _as_column(value: str, column: str, kind: str | None) -> str:
    return f"{_typed(value, kind)} AS {quoted([column])}"


def _typed(value: str, kind: str | None) -> str:
    if kind is None:
        return "ST_GeomFromWKT(CAST(NULL AS VARCHAR))" if value.upper() == "NULL" else value
    return f"arrow_cast({value}, '{kind}')" if kind else value


def _choice(cases: list[tuple[str, str]], otherwise: str, column: str, kind: str | None) -> str:
    """The first value whose condition is true. SedonaDB's CASE loses the type and SRID of geometries; EWKB has both."""
    if not cases:
        return _as_column(otherwise, column, kind)
    if kind is None:
        chosen = _case(cases, otherwise, lambda value: f"ST_AsEWKB({_typed(value, None)})")
        return f"ST_GeomFromEWKB({chosen}) AS {quoted([column])}"
    return f"{_case(cases, otherwise, lambda value: _typed(value, kind))} AS {quoted([column])}"


def _case(cases: list[tuple[str, str]], otherwise: str, typed: Callable[[str], str]) -> str:
    whens = " ".join(f"WHEN {condition} THEN {typed(value)}" for condition, value in cases)
    return f"CASE {whens} ELSE {typed(otherwise)} END"


def _aliased(name: FullName, alias: str) -> str:
    return f"{quoted(name)} AS {quoted([alias])}" if alias else quoted(name)


def _has_rows(session: Session, query: Query) -> bool:
    return any(batch.num_rows for batch in rows_of(session.plan(query)).batches)
