"""Waiting until runs that were cancelled have ended."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES
from airflow_provider_wherobots.flows.effects import Flow, Sleep, now
from airflow_provider_wherobots.flows.list_runs import list_runs
from airflow_provider_wherobots.flows.retry import send

POLL_SECONDS = 2.0
MAX_WAIT_SECONDS = 75.0
"""The status may take a minute to become CANCELLED."""
OUTAGE_SECONDS = 10.0


def await_ends(run_ids: Iterable[str], max_wait_seconds: float = MAX_WAIT_SECONDS) -> Flow[dict[str, str]]:
    """Wait until runs have ended. One call sees all of them, however many they are.

    :param run_ids: their ids.
    :param max_wait_seconds: the longest wait, in seconds; default 75.
    :returns: the status of each run that has ended, by id. Those that are missing were active, or could not be read.
    """
    waiting, ended = list(dict.fromkeys(run_ids)), dict[str, str]()
    until = (yield from now()) + max_wait_seconds
    try:
        while waiting:
            active, _ = yield from list_runs(status=sorted(ACTIVE_STATUSES), max_outage_seconds=OUTAGE_SECONDS)
            active_ids = {run.id for run in active}
            for run_id in [run_id for run_id in waiting if run_id not in active_ids]:
                run = yield from send(calls.get_run(run_id), OUTAGE_SECONDS)
                if run.is_terminal:
                    ended[run_id] = run.status
                    waiting.remove(run_id)
            if not waiting or (yield from now()) + POLL_SECONDS > until:
                break
            yield Sleep(POLL_SECONDS)
    except WherobotsApiError:
        # The cancels were accepted: what is not known is only whether they have taken effect.
        pass
    return ended
