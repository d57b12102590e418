"""Assets and the events of a task's outlets, which on 2.11 are those of datasets."""
# ruff: noqa: AIR311 - datasets are what 2.11 has

from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import AIRFLOW

if TYPE_CHECKING or AIRFLOW >= (3, 0):
    from airflow.sdk import Asset, AssetAlias
    from airflow.sdk.execution_time.context import OutletEventAccessors
else:
    from airflow.datasets import Dataset as Asset
    from airflow.datasets import DatasetAlias as AssetAlias
    from airflow.utils.context import OutletEventAccessors

__all__ = ["Asset", "AssetAlias", "OutletEventAccessors", "asset"]


def asset(name: str) -> Any:
    return Asset(f"s3://lake/{name}")
