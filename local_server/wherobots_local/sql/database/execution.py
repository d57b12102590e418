"""Executes statements of all kinds."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from wherobots_local.sql.database import changes, definitions, stores
from wherobots_local.sql.database.commands import COMMANDS
from wherobots_local.sql.database.results import Rows, fetch
from wherobots_local.sql.database.statement import Statement
from wherobots_local.sql.database.stores import Store
from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.dialect.parser import Command, read

_MOST_CHARACTERS = 4_000_000
_CHANGES: dict[type[exp.Expr], Callable[[Statement, exp.Expr], None]] = {
    exp.Alter: definitions.alter,
    exp.Cache: definitions.cache,
    exp.Create: definitions.create,
    exp.Delete: changes.delete,
    exp.Drop: definitions.drop,
    exp.Insert: changes.insert,
    exp.Merge: changes.merge,
    exp.TruncateTable: changes.truncate,
    exp.Uncache: definitions.cache,
    exp.Update: changes.update,
}


def run(statement: Statement, text: str, store: Store | None, max_rows: int | None) -> Rows | int | None:
    """Execute a statement, and keep at most ``max_rows``.

    Returns the rows, the size of a store (0 without rows), or None without a result set. Raises ``StatementError`` or
    ``duckdb.Error``.
    """
    if len(text) > _MOST_CHARACTERS:
        raise unsupported(f"a statement of {len(text):,} characters", f"{_MOST_CHARACTERS:,} are allowed")
    tree = read(text)
    if isinstance(tree, Command):
        return COMMANDS[tree.name](statement, tree)
    if (change := _CHANGES.get(type(tree))) is not None:
        change(statement, tree)
        return None
    if not isinstance(tree, exp.Query | exp.Values):
        raise unsupported(f"{text.split(None, 1)[0].upper()[:20]} statements")
    query = statement.plain(statement.written(tree))
    if store is not None:
        columns = statement.described(query)
        with statement.in_database():
            return stores.write(statement.cursor, query, columns, store)
    with statement.in_database():
        return fetch(statement.cursor.execute(query), max_rows, statement.session.warehouse.results)
