"""OpenLineage's properties that tell the Spark of a run which task has started it.

With them the lineage that Spark reports belongs to the task. A helper of Airflow's OpenLineage provider makes them, as
for Airflow's other Spark operators. Source: the page "Passing parent job information to Spark jobs" of
``apache-airflow-providers-openlineage``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import conf
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context

PACKAGE = "airflow.providers.openlineage"


def add_parent_job(
    payload: dict[str, Any], wanted: bool | None, context: Context, warn: Callable[[str], None]
) -> dict[str, Any]:
    """Add the properties to ``environment.sparkConfigs`` of a create body. Properties of the user win.

    ``wanted=None`` takes ``[openlineage] spark_inject_parent_job_info``. Never fails: an error is a warning.
    """
    environment = payload.get("environment") or {"dependencies": []}
    configs: Mapping[str, str] = environment.get("sparkConfigs") or {}
    try:
        if wanted is None:
            wanted = conf.getboolean("openlineage", "spark_inject_parent_job_info", fallback=False)
        if not wanted:
            return payload
        from airflow.providers.openlineage.utils.spark import inject_parent_job_information_into_spark_properties

        found = inject_parent_job_information_into_spark_properties(dict(configs), context)
    except Exception as error:
        warn(f"Creating the run without OpenLineage's properties: {_explain(error)}")
        return payload
    added = {key: str(value) for key, value in found.items() if key not in configs and value is not None}
    if not added:
        return payload
    return {**payload, "environment": {**environment, "sparkConfigs": {**added, **configs}}}


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and PACKAGE.startswith(error.name or "-"):
        return "apache-airflow-providers-openlineage is not installed"
    return reason_of(error)
