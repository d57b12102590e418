"""Names of tables, views and schemas."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError

from wherobots_local.sql.dialect.errors import syntax_error
from wherobots_local.sql.dialect.parser import ServiceSql

Name = tuple[str, ...]
"""One to three parts in lower case, the last of which is its own name."""


def read_name(text: str) -> Name:
    """Read a name.

    :raises StatementError: if it is none.
    """
    try:
        return name_of(exp.to_table(text, dialect=ServiceSql))
    except SqlglotError:
        raise syntax_error("expected a name", text[:40]) from None


def name_of(table: exp.Expr) -> Name:
    """Return the name in a tree.

    :raises StatementError: if a part is empty, or there are too many.
    """
    parts = tuple(part.name.lower() for part in table.parts) if isinstance(table, exp.Table) else ()
    if not 1 <= len(parts) <= 3:
        raise syntax_error("a name has one to three parts", table.sql(ServiceSql)[:40])
    if not all(parts):
        raise syntax_error("a name is empty", "``")
    return parts
