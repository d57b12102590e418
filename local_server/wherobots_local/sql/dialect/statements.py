"""What a statement asks for, once it is read. Text in them is SQL of SedonaDB; names are in lower case."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

ObjectName = tuple[str, ...]
"""A table, view or schema: one to three parts, the last of which is its own name."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class SparkStatement:
    """A statement of the service."""

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON, with its ``kind``: ``create_table`` for :class:`CreateTable`."""
        return {"kind": _CAPITAL.sub("_", type(self).__name__).lower(), **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True)
class RunQuery(SparkStatement):
    """Run a query, which has rows."""

    sql: str


@dataclass(frozen=True, slots=True)
class ExplainQuery(SparkStatement):
    """Show the plan of a query."""

    sql: str


@dataclass(frozen=True, slots=True)
class DoNothing(SparkStatement):
    """Succeed without an effect: the statement only makes something faster on the service."""


@dataclass(frozen=True, slots=True)
class SetOption(SparkStatement):
    """Set an option of the session, and show it.

    :param value: None to show it only.
    """

    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class UseSchema(SparkStatement):
    """Make a catalog or schema the current one."""

    name: ObjectName


@dataclass(frozen=True, slots=True)
class CreateSchema(SparkStatement):
    """Create a schema, and its catalog if it does not exist."""

    name: ObjectName
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class CreateTable(SparkStatement):
    """Create a table with the rows and columns of a query."""

    name: ObjectName
    sql: str
    if_not_exists: bool
    replace: bool


@dataclass(frozen=True, slots=True)
class CreateView(SparkStatement):
    """Create a view. A temporary one belongs to the session."""

    name: ObjectName
    sql: str
    if_not_exists: bool
    replace: bool
    temporary: bool


@dataclass(frozen=True, slots=True)
class DropObject(SparkStatement):
    """Drop a ``table``, ``view`` or ``schema``."""

    what: str
    name: ObjectName
    if_exists: bool
    cascade: bool


@dataclass(frozen=True, slots=True)
class InsertRows(SparkStatement):
    """Add the rows of a query, or replace those of the table by them.

    :param columns: where its columns go; None for all in order.
    """

    name: ObjectName
    columns: tuple[str, ...] | None
    sql: str
    overwrite: bool


@dataclass(frozen=True, slots=True)
class DeleteRows(SparkStatement):
    """Delete rows; all without a condition."""

    name: ObjectName
    alias: str
    condition: str | None


@dataclass(frozen=True, slots=True)
class UpdateRows(SparkStatement):
    """Give columns of rows new values.

    :param values: column and expression of each.
    """

    name: ObjectName
    alias: str
    values: tuple[tuple[str, str], ...]
    condition: str | None


@dataclass(frozen=True, slots=True)
class MergeClause:
    """A ``WHEN`` of a ``MERGE``.

    :param rows: ``matched``, ``not_matched`` or ``not_matched_by_source``.
    :param action: ``update``, ``delete`` or ``insert``.
    :param values: column and expression of each; None for all of the source's columns (``*``).
    """

    rows: str
    condition: str | None
    action: str
    values: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class MergeRows(SparkStatement):
    """Update, delete and insert rows of a table, by the rows of a source.

    :param source: a table or a query in parentheses.
    """

    name: ObjectName
    alias: str
    source: str
    source_alias: str
    on: str
    clauses: tuple[MergeClause, ...]


@dataclass(frozen=True, slots=True)
class AddColumns(SparkStatement):
    """Add columns, whose values are NULL.

    :param columns: name and NULL of the type of each.
    """

    name: ObjectName
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DropColumns(SparkStatement):
    """Remove columns."""

    name: ObjectName
    columns: tuple[str, ...]
    if_exists: bool


@dataclass(frozen=True, slots=True)
class RenameColumn(SparkStatement):
    """Give a column another name."""

    name: ObjectName
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RenameTable(SparkStatement):
    """Give a table another name in its schema."""

    name: ObjectName
    new: ObjectName


@dataclass(frozen=True, slots=True)
class ShowObjects(SparkStatement):
    """List ``catalogs``, ``schemas``, ``tables`` or ``views``.

    :param within: catalog or schema; None for the current one.
    :param pattern: Spark's pattern of names, with ``*`` and ``|``; None for all.
    """

    what: str
    within: ObjectName | None
    pattern: str | None


@dataclass(frozen=True, slots=True)
class DescribeTable(SparkStatement):
    """List the columns of a table or view, with their types or (``SHOW COLUMNS``) by name only."""

    name: ObjectName
    names_only: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a statement reads, as in ``parquet.`s3://bucket/key` ``.

    :param format: ``parquet``, ``csv`` or ``json``.
    :param address: its ``s3://`` address.
    """

    format: str
    address: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A statement that was read.

    :param statement: what it asks for.
    :param files: the files that it reads. Its SQL calls them ``"s3"."format"."address"``.
    :param spelling: names in lower case to how they were written first, for the columns of the result.
    """

    statement: SparkStatement
    files: tuple[SourceFile, ...]
    spelling: dict[str, str]
