"""OpenLineage's inputs and outputs of a SQL task, read from its statements.

With ``get_openlineage_database_info``, common-sql's operators would open a session before the task begins, and query
an information schema, which Spark does not have. So the hook has none. It returns the result of OpenLineage's own
parser when the task has ended, as the lineage that is specific to the database.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.lexer import statements
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.sql.parameters import bind

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

NAMESPACE = "wherobots"
DIALECT = "databricks"
"""The parser's dialect that is closest to Spark's."""
CATALOG, SCHEMA = "spark_catalog", "default"
"""Spark's catalog and schema for a name without them."""


def lineage_of(sql: Any, parameters: Any, base_url: str) -> OperatorLineage:
    """Read the tables and columns of statements, which have ``?`` in the place of literals. Sends nothing to the
    service.
    """
    from airflow.providers.openlineage.sqlparser import DatabaseInfo, SQLParser

    texts = [sql] if isinstance(sql, str) else sql
    read = [_masked(one, parameters) for text in texts for one in statements(text)]
    info = DatabaseInfo(NAMESPACE, urlsplit(base_url).netloc, CATALOG)
    lineage: OperatorLineage = SQLParser(DIALECT, SCHEMA).generate_openlineage_metadata_from_sql(
        read, hook=None, database_info=info, use_connection=False
    )
    return lineage


def _masked(statement: str, parameters: Any) -> str:
    # The task itself reports wrong parameters.
    with suppress(InvalidArgumentError):
        statement = bind(statement, parameters or None)
    return masked(statement, limit=len(statement))
