"""What one try of a task does with a run while it is on a worker, and how it stops when the process is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.cancel import (
    WORKER_CANCEL_BUDGET_SECONDS,
    cancel_run,
    cancel_runs_by_name,
)
from airflow_provider_wherobots.flows.drivers.sync import FlowStoppedError, SyncDriver
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Outcome
from airflow_provider_wherobots.flows.submit import Submission, submit_run
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

T = TypeVar("T")


class WorkerAttempt:
    """Submits and follows runs on the calling thread; :meth:`kill` may come from a signal handler on top of it.

    :param hook: the connection to use.
    :param cancel_on_kill: whether :meth:`kill` cancels the run.
    """

    def __init__(self, hook: WherobotsHook, *, cancel_on_kill: bool) -> None:
        self._hook = hook
        self._cancel_on_kill = cancel_on_kill
        self._driver: SyncDriver | None = None
        self._name_in_flight: str | None = None
        self._older_may_exist = False
        self._run_id: str | None = None
        self._killed = False
        self._cancelled: set[str] = set()

    def submit(
        self,
        payload: Mapping[str, Any],
        region: str | None,
        *,
        durable: bool,
        look_first: bool,
        replace: bool,
        max_outage: float,
    ) -> Submission:
        """Create the run or attach to it.

        :param payload: the create body.
        :param region: compute region; None takes the organisation's default.
        :param durable: whether the payload's name is this task instance's alone.
        :param look_first: whether an earlier try may have left a run.
        :param replace: whether such a run is cancelled and replaced.
        :param max_outage: seconds that transient failures in a row are borne.
        :raises WherobotsTaskKilledException: when the task was killed meanwhile.
        :raises WherobotsApiError: when there is no run.
        """
        self._name_in_flight, self._older_may_exist = payload["name"] if durable else None, look_first
        submission = self.run(
            submit_run(
                payload,
                region,
                durable=durable,
                look_first=look_first,
                replace=replace,
                max_outage_seconds=max_outage,
            )
        )
        self._run_id = submission.run.id
        self._name_in_flight = None
        if self._killed:
            # The kill came while the create call was under way, too early to know the run's id.
            if self._cancel_on_kill and self._run_id not in self._cancelled:
                self._run_apart(cancel_run(self._run_id, WORKER_CANCEL_BUDGET_SECONDS))
            raise WherobotsTaskKilledException(f"The task was killed while run {self._run_id} was created")
        return submission

    def adopt(self, run_id: str) -> None:
        """Name the run that a kill from now on is to cancel.

        :param run_id: the run's id.
        """
        self._run_id = run_id

    def follow(self, options: FollowOptions, publish: Callable[[str, str], None]) -> Outcome:
        """Follow a run to its end.

        :param options: what to follow and how.
        :param publish: takes what is to be made known meanwhile, key and value, and must not raise.
        :raises WherobotsTaskKilledException: when the task was killed meanwhile.
        """
        self.adopt(options.run_id)
        outcome = self.run(follow_run(options), publish)
        self._run_id = None
        return outcome

    def run(self, flow: Flow[T], publish: Callable[[str, str], None] = lambda key, value: None) -> T:
        """Run a flow on a session of this attempt.

        :param flow: the flow.
        :param publish: takes what is to be made known, key and value, and must not raise; default nowhere.
        :raises WherobotsTaskKilledException: when the task was killed meanwhile.
        """
        with self._hook.driver(publish=publish) as driver:
            self._driver = driver
            driver.stopped = self._killed
            try:
                return driver.run(flow)
            except FlowStoppedError as error:
                raise WherobotsTaskKilledException(str(error)) from None
            finally:
                self._driver = None

    def kill(self) -> None:
        """Stop for good, and cancel the run: the one known, or the one whose create call is under way.

        Uses a session of its own, as the interrupted one may hold half an answer, and the connection as already read,
        as the interrupted code may be talking to the supervisor.
        """
        if self._killed:
            return
        self._killed = True
        if self._driver is not None:
            self._driver.stopped = True
        if not self._cancel_on_kill:
            return
        if self._run_id is not None:
            if self._run_apart(cancel_run(self._run_id, WORKER_CANCEL_BUDGET_SECONDS)):
                self._cancelled.add(self._run_id)
        elif self._name_in_flight is not None:
            self._cancelled.update(
                self._run_apart(cancel_runs_by_name(self._name_in_flight, look_on=self._older_may_exist))
            )

    def _run_apart(self, flow: Flow[T]) -> T:
        notes: list[tuple[int, str]] = []
        try:
            with self._hook.driver(lambda level, text: notes.append((level, text)), may_reload=False) as driver:
                return driver.run(flow)
        finally:
            # Last, and not at any price: the interrupted thread may be in the middle of writing to the same log.
            with suppress(RuntimeError):
                for level, text in notes:
                    self._hook.log.log(level, text)
