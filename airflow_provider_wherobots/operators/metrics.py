"""Sends what is measured with Airflow's own metrics client: StatsD, Datadog or OpenTelemetry.

Source: Airflow's page "Metrics Configuration".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from airflow_provider_wherobots.compat import get_stats
from airflow_provider_wherobots.flows.measurements import Kind, Measurement
from airflow_provider_wherobots.flows.unforeseen import reason_of


def emit(measurements: Iterable[Measurement], warn: Callable[[str], None]) -> None:
    """Send values. Never fails: an error is one warning in the task log.

    :param measurements: what to send.
    :param warn: logs a warning.
    """
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
