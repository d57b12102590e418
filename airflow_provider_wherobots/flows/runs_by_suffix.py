"""Finding a task's runs by the suffix of their names.

Names are not unique, List Runs has no documented order, and its filter may match substrings.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.effects import Flow, attempt
from airflow_provider_wherobots.flows.list_runs import PAGE_SIZE, age, read_pages

_PARENT_IN_LINEAGE = tuple(f"environment.sparkConfigs.spark.openlineage.{key}" for key in ("parent", "rootParent"))


def find_runs(suffix: str, timeout: float | None = None, *, urgent: bool = False) -> Flow[list[Run]]:
    """List every run whose name ends with the suffix, in any status (``GET /runs?name=*{suffix}``).

    Oldest first. Urgent calls are sent even while the service limits the API key.
    """
    call = partial(calls.list_runs, name=f"*{suffix}", size=PAGE_SIZE)
    runs = yield from read_pages(
        call,
        lambda page: attempt(page.at_once() if urgent else page, timeout),
        wanted=lambda run: run.name.endswith(suffix),
    )
    return sorted(runs, key=age)


def differing_fields(sent: Mapping[str, Any], echoed: Mapping[str, Any]) -> list[str]:
    """Name the fields in which a run differs from what this try would create.

    ``echoed`` is what the service has filled in with its defaults, so fields that are not sent do not count. Nor does
    which try is the run's parent in OpenLineage: the run keeps the one that created it.
    """
    return sorted(name for name in _differences(sent, echoed, "") if not name.startswith(_PARENT_IN_LINEAGE))


def _differences(sent: Any, echoed: Any, path: str) -> list[str]:
    if isinstance(sent, Mapping) and isinstance(echoed, Mapping):
        return [
            found
            for key, value in sent.items()
            if value is not None
            for found in _differences(value, echoed.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(sent, list) and isinstance(echoed, list) and len(sent) == len(echoed):
        return [path] if any(_differences(a, b, path) for a, b in zip(sent, echoed, strict=True)) else []
    return [] if sent == echoed else [path]
