"""A second run of a try: the response to its create was lost, the create was sent again, and both have created a run.

List Runs may lag by more than the time for which a try looks for such a run before it sends the create again. So it is
looked for again while the run of the try is followed, and at its end, and every other active one is cancelled. A run
that was created later can belong to the next try, after a clear: it is left alone.
"""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, now
from airflow_provider_wherobots.flows.list_runs import find_runs

CHECKS = (30.0, 120.0)
"""Seconds after the try got its run at which its twin is looked for. The end of a shorter run waits for the first."""
LATEST_SECONDS = 60.0
"""How long after the try got its run the second one can be created, by the service's clock."""


class TwinWatch:
    """Looks for a second run, and cancels it.

    ``suffix`` is empty if there can be no second run; ``since`` is when the try got its run, in epoch seconds.
    """

    def __init__(self, run_id: str, suffix: str, since: float) -> None:
        self._run_id = run_id
        self._suffix = suffix
        self._created_until = since + LATEST_SECONDS
        self._due = [since + seconds for seconds in CHECKS] if suffix else []
        self._has_checked = False

    def check_if_due(self) -> Flow[None]:
        if self._due and (yield from now()) >= self._due[0]:
            self._due.pop(0)
            yield from self._check()

    def check_last(self, *, may_wait: bool) -> Flow[None]:
        """Look for it a last time. With ``may_wait`` at the time of the first check, if there was none."""
        if not self._suffix:
            return
        if may_wait and not self._has_checked:
            yield Sleep(max(0.0, self._due[0] - (yield from now())))
        yield from self._check()

    def _check(self) -> Flow[None]:
        self._has_checked = True
        try:
            runs = yield from find_runs(self._suffix)
        except WherobotsApiError as error:
            yield Note(logging.WARNING, f"Could not check that run {self._run_id} is this task's only run: {error}")
            return
        for run in runs:
            if run.is_active and run.id != self._run_id and run.is_created_until(self._created_until):
                text = f"Run {run.id} was started by a create call of this task whose response was lost. Cancelling it"
                yield Note(logging.WARNING, text)
                yield from cancel_run(run.id)
