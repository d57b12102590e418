"""OpenLineage's properties for the Spark of a run, from Airflow's OpenLineage provider if it is installed.

With them the lineage that Spark reports belongs to the task. The helpers of the OpenLineage provider make the
properties, as for Airflow's other Spark operators, and do not change properties that the user has set. Source: the page
"Passing parent job information to Spark jobs" of ``apache-airflow-providers-openlineage``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import conf, mask_secret
from airflow_provider_wherobots.messages.unforeseen import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context

PACKAGE = "airflow.providers.openlineage"
TRANSPORT = "spark.openlineage.transport."
_SECRET = re.compile(r"\.(auth\.(?!type$)|headers\.)")
"""Properties of a transport that are masked in the task log: ``auth.apiKey``, and headers such as ``Authorization``."""


class SparkLineage:
    """The properties for the runs of one task. Made once per try, so that a failure is logged once.

    ``parent`` adds which task started the run; None takes ``[openlineage] spark_inject_parent_job_info``.
    ``transport`` adds where Airflow sends its lineage, with the credentials.
    """

    def __init__(self, parent: bool | None, transport: bool, warn: Callable[[str], None]) -> None:
        self._parent = parent
        self._transport = transport
        self._warn = warn
        self._added: tuple[Any, dict[str, str]] | None = None

    def add_to(self, payload: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Add the properties to a create body. Never fails: an error is one warning in the task log.

        They are in ``environment.sparkConfigs``. Properties of the user win.
        """
        ti = context["ti"]
        environment = payload.get("environment") or {"dependencies": []}
        configs = environment.get("sparkConfigs") or {}
        this_try = (ti.run_id, ti.map_index, ti.try_number)
        if self._added is None or self._added[0] != this_try:
            self._added = this_try, self._properties(configs, context)
        if not (added := self._added[1]):
            return dict(payload)
        return {**payload, "environment": {**environment, "sparkConfigs": {**added, **configs}}}

    def _properties(self, configs: Mapping[str, str], context: Context) -> dict[str, str]:
        """The properties to add to the user's."""
        found: dict[str, Any] = dict(configs)
        try:
            if self._wants_parent():
                from airflow.providers.openlineage.utils.spark import (
                    inject_parent_job_information_into_spark_properties,
                )

                found = inject_parent_job_information_into_spark_properties(found, context)
            if self._transport:
                from airflow.providers.openlineage.utils.spark import (
                    inject_transport_information_into_spark_properties,
                )

                found = _masked(inject_transport_information_into_spark_properties(found, context))
        except Exception as error:
            self._warn(f"Creating the run without OpenLineage's properties: {_explain(error)}")
        return {key: str(value) for key, value in found.items() if key not in configs and value is not None}

    def _wants_parent(self) -> bool:
        if self._parent is not None:
            return self._parent
        return bool(conf.getboolean("openlineage", "spark_inject_parent_job_info", fallback=False))


def _masked(properties: dict[str, Any]) -> dict[str, Any]:
    """Have Airflow mask the secret properties in the task log. Returns the properties."""
    for key, value in properties.items():
        if key.startswith(TRANSPORT) and _SECRET.search(key):
            # Without a scheme such as "Bearer" before it.
            mask_secret(str(value).rpartition(" ")[2])
    return properties


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and PACKAGE.startswith(error.name or "-"):
        return "apache-airflow-providers-openlineage is not installed"
    return reason_of(error)
