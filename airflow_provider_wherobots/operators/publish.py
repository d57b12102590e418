"""What a task publishes of its run: the result as an XCom, the events of its outlets, and Airflow's metrics.

Outlets are assets on Airflow 3, datasets on 2.11. Metrics go to StatsD, Datadog or OpenTelemetry: see Airflow's page
"Metrics Configuration".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import get_stats, is_asset
from airflow_provider_wherobots.flows.measurements import Kind, Measurement
from airflow_provider_wherobots.flows.outcome import Ending
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.logs.result import MARKER
from airflow_provider_wherobots.xcoms import RESULT_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.flows.outcome import Outcome

SUMMARY_KEYS = ("cost_usd", "queued_seconds", "ran_seconds")


def take_result(
    outcome: Outcome, push: Callable[[str, Any], None], log: Any, *, may_push: bool, is_wanted: bool
) -> Any:
    """Push a run's result, and say so. The value itself goes into no log of the provider's.

    ``push`` must not raise. None if there is no result.
    """
    if outcome.result is None:
        if is_wanted and outcome.ending is Ending.COMPLETED:
            log.warning(
                "Run %s has no result: its log has no usable line that begins with '%s'. The task returns None",
                outcome.run_id,
                MARKER,
            )
        return None
    result = json.loads(outcome.result)
    how = "not pushed, because of do_xcom_push=False"
    if result is None:
        how = "null, for which Airflow stores no XCom"
    elif may_push:
        push(RESULT_KEY, result)
        how = f"XCom '{RESULT_KEY}'"
    log.info("Result: %s bytes of JSON (%s)", f"{len(outcome.result.encode()):,}", how)
    return result


def extra_of(outcome: Outcome, run_url: str, result: Any) -> dict[str, Any]:
    """What an event says about a run, JSON-able."""
    summary = outcome.summary or {}
    measured = {key: summary.get(key) for key in SUMMARY_KEYS}
    return {"run_id": outcome.run_id, "run_url": run_url, **measured, "result": result}


def add_to_events(outlets: Iterable[Any], context: Mapping[str, Any], extra: Mapping[str, Any], log: Any) -> None:
    """Add keys to the extra of the event of each asset. Keys that are there already stay as they are.

    What Airflow cannot resolve, such as a reference to an asset that does not exist, is logged and left out.

    Aliases are left alone: which assets they stand for is the author's to say.
    """
    for outlet in outlets:
        if not is_asset(outlet):
            continue
        try:
            event = context["outlet_events"][outlet]
            event.extra = {**extra, **event.extra}
        except Exception as error:
            log.log(logging.WARNING, "The event of outlet %r has no details of the run: %s", outlet, reason_of(error))


def emit(measurements: Iterable[Measurement], warn: Callable[[str], None]) -> None:
    """Send values. Never fails: an error is one warning in the task log."""
    try:
        stats = get_stats()
        for measurement in measurements:
            name, value, tags = measurement.name, measurement.value, dict(measurement.tags)
            match measurement.kind:
                case Kind.COUNTER:
                    stats.incr(name, int(value), tags=tags)
                case Kind.GAUGE:
                    stats.gauge(name, value, tags=tags)
                case Kind.TIMING:
                    # A number would be milliseconds to some clients and seconds to others.
                    stats.timing(name, timedelta(seconds=value), tags=tags)
    except Exception as error:
        warn(f"The task's metrics could not be sent: {reason_of(error)}")
