"""The run of one try while it is created or followed on a worker, and what a kill cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_run_and_twin, cancel_runs_by_suffix
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Outcome
from airflow_provider_wherobots.flows.quota import AwaitingQuota
from airflow_provider_wherobots.flows.retry import WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.submit import Submission
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.tasks.attempt import Attempt

T = TypeVar("T")


class RunAttempt(Attempt):
    """Submits and follows runs on the calling thread."""

    def __init__(self, hook: WherobotsHook, *, cancel_on_kill: bool) -> None:
        super().__init__(hook)
        self._cancel_on_kill = cancel_on_kill
        self._suffix_in_flight = ""
        self._older_may_exist = False
        self._run_id: str | None = None
        self._twin_suffix = ""
        self._cancelled: set[str] = set()
        self.is_left_for_retry: Callable[[], bool] = lambda: False
        """Whether a kill leaves the run for a retry, which re-attaches to it. Must not raise."""

    def submit(
        self, submission_flow: Flow[Submission | AwaitingQuota], suffix: str, *, older_may_exist: bool
    ) -> Submission | AwaitingQuota:
        """Create the run or re-attach to it. A kill looks for runs with ``suffix``; empty if the run has none."""
        self.get_ready()
        self._suffix_in_flight = suffix
        self._older_may_exist = older_may_exist
        submission = self.run(submission_flow)
        if isinstance(submission, AwaitingQuota):
            if not submission.wait.unclear:
                self._suffix_in_flight = ""
            if self._killed:
                raise WherobotsTaskKilledException("The task was killed while it waited for quota")
            return submission
        self._run_id = submission.run.id
        self._twin_suffix = suffix if submission.may_have_twin else ""
        self._suffix_in_flight = ""
        # A kill during the create call did not know the run's id yet.
        self._stop_if_killed(self._run_id)
        return submission

    def adopt(self, run_id: str) -> None:
        """Set the run that :meth:`kill` cancels from now on."""
        self.get_ready()
        self._run_id = run_id
        self._stop_if_killed(run_id)

    def follow(self, options: FollowOptions, publish: Callable[[str, str], None]) -> Outcome:
        """Follow a run to its end."""
        self.adopt(options.run_id)
        outcome = self.run(follow_run(options), publish)
        self._run_id = None
        return outcome

    def run(self, flow: Flow[T], publish: Callable[[str, str], None] = lambda key, value: None) -> T:
        """Run a flow that :meth:`kill` can stop."""
        with self.driving(publish) as driver:
            return self.run_on(driver, flow)

    def _end_all(self, *, was_uploading: bool) -> None:
        """Cancel the run, or the run that a create call in flight may have started."""
        if self._cancel_on_kill and self.is_left_for_retry():
            self._cancel_on_kill = False
        if not self._cancel_on_kill:
            return
        if was_uploading and not self._older_may_exist:
            # The create call comes after the uploads, and was not sent: there is nothing to look for.
            return
        if self._run_id is not None:
            cancel = cancel_run_and_twin(self._run_id, self._twin_suffix, WORKER_CANCEL_BUDGET_SECONDS)
            if self._run_on_new_session(cancel):
                self._cancelled.add(self._run_id)
        elif self._suffix_in_flight:
            self._cancelled.update(
                self._run_on_new_session(cancel_runs_by_suffix(self._suffix_in_flight, find_all=self._older_may_exist))
            )

    def _stop_if_killed(self, run_id: str) -> None:
        if not self._killed:
            return
        if self._cancel_on_kill and run_id not in self._cancelled:
            self._run_on_new_session(cancel_run(run_id, WORKER_CANCEL_BUDGET_SECONDS))
        raise WherobotsTaskKilledException(f"The task was killed before it could follow run {run_id}")
