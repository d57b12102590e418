"""The tables of a SQL session and their columns, in place of SQLAlchemy's inspector, which has no dialect for Spark.

It has the methods that common-sql's ``Dialect`` and ``get_table_schema``, and the SQL toolset of common-ai, call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.sql.identifiers import parts_of


class SqlInspector:
    """Queries the tables of a session.

    :param query: executes a statement with parameters, and returns its rows.
    """

    def __init__(self, query: Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]) -> None:
        self._query = query

    def get_table_names(self, schema: str | None = None) -> list[str]:
        """The names of a schema's tables (``SHOW TABLES``).

        :param schema: such as ``catalog.schema``; default the session's current one.
        """
        where = " IN %(schema)i" if schema else ""
        rows = self._query(f"SHOW TABLES{where}", {"schema": parts_of(schema)} if schema else {})
        return [name for _, name, *_ in rows]

    def get_columns(self, table_name: str, schema: str | None = None) -> list[dict[str, Any]]:
        """The columns of a table (``DESCRIBE TABLE``).

        :param table_name: the table, such as ``table`` or ``catalog.schema.table``.
        :param schema: such as ``catalog.schema``; default that in ``table_name``, else the session's current one.
        :returns: ``name``, ``type`` and ``comment`` of each.
        """
        table = [*parts_of(schema or ""), *parts_of(table_name)]
        columns = []
        for name, kind, comment, *_ in self._query("DESCRIBE TABLE %(table)i", {"table": table}):
            if not name or name.startswith("#"):
                # What follows is about partitions.
                break
            columns.append({"name": name, "type": kind, "comment": comment})
        return columns
