"""What OpenLineage is told of tables: how they are named, and which table an asset is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset

NAMESPACE = "wherobots"
"""Of tables, and the scheme of assets that are tables."""


def table_of(asset: Any, context: Any) -> Dataset:
    """The table of an asset such as ``wherobots://catalog/database/table``, named as SQL names it.

    Airflow's OpenLineage provider calls it, as ``get_provider_info`` says.
    """
    from openlineage.client.event_v2 import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=NAMESPACE, name=f"{uri.netloc}{uri.path}".strip("/").replace("/", "."))
