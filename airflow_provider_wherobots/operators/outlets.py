"""What the events of a task's outlets say about its run: assets on Airflow 3, datasets on 2.11."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import is_asset
from airflow_provider_wherobots.flows.unforeseen import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.flows.outcome import Outcome

SUMMARY_KEYS = ("cost_usd", "queued_seconds", "ran_seconds")


def extra_of(outcome: Outcome, run_url: str, result: Any) -> dict[str, Any]:
    """What an event says about a run, JSON-able.

    :param outcome: how it ended.
    :param run_url: its address.
    :param result: its result, or None.
    """
    summary = outcome.summary or {}
    measured = {key: summary.get(key) for key in SUMMARY_KEYS}
    return {"run_id": outcome.run_id, "run_url": run_url, **measured, "result": result}


def add_to_events(outlets: Iterable[Any], context: Mapping[str, Any], extra: Mapping[str, Any], log: Any) -> None:
    """Add keys to the extra of the event of each asset. Keys that are there already stay as they are.

    What Airflow cannot resolve, such as a reference to an asset that does not exist, is logged and left out.

    :param outlets: the task's outlets. Aliases are left alone: which assets they stand for is the author's to say.
    :param context: the task's context.
    :param extra: the keys to add.
    :param log: takes the warnings.
    """
    for outlet in outlets:
        if not is_asset(outlet):
            continue
        try:
            event = context["outlet_events"][outlet]
            event.extra = {**extra, **event.extra}
        except Exception as error:
            log.log(logging.WARNING, "The event of outlet %r says nothing about the run: %s", outlet, reason_of(error))
