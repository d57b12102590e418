"""The run of one try while it is created or followed on a worker, and what a kill cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_runs_of
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.quota import AwaitingQuota
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.submit import Submission, submit_run
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.runs.memory import Memory
from airflow_provider_wherobots.runs.outcome import Outcome
from airflow_provider_wherobots.tasks.attempt import Attempt
from airflow_provider_wherobots.tasks.memory import TaskMemory

P = ParamSpec("P")
T = TypeVar("T")

KILL_SECONDS = WORKER_CANCEL_BUDGET_SECONDS if (3, 0) <= AIRFLOW < (3, 4) else CANCEL_BUDGET_SECONDS
"""How long a cancel is retried in a kill. Airflow 2.11 and 3.4 leave 60 s (``killed_task_cleanup_time``), after lost
heartbeats 3.4 leaves 5 s.
"""


class RunAttempt(Attempt):
    """Submits and follows runs on the calling thread."""

    def __init__(self, hook: WherobotsHook, *, cancel_on_kill: bool) -> None:
        super().__init__(hook)
        self._cancel_on_kill = cancel_on_kill
        self._run_id: str | None = None
        self.announced: tuple[str, str | None] | None = None
        """The status and the Spark UI of the run when a sensor has pushed its links last."""
        self.memory: TaskMemory | None = None
        """What the task remembers. A kill that knows no run cancels the runs with its identity."""
        self._cancelled: set[str] = set()
        self.has_ended_runs = False
        """Whether a kill has found a run to cancel, or what to look for."""

    def submit(self, *args: Any, **kwargs: Any) -> Submission | AwaitingQuota:
        """Get the run."""
        self.get_ready()
        with self.driving(remember=None if self.memory is None else self.memory.remember) as io:
            submission = self.run_on(io, submit_run, *args, **kwargs)
        if isinstance(submission, AwaitingQuota):
            if self._killed:
                raise WherobotsTaskKilledException("The task was killed while it waited for quota")
            return submission
        self._run_id = submission.run.id
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
        with self.driving(publish) as io:
            outcome = self.run_on(io, follow_run, options)
        self._run_id = None
        return outcome

    def run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow that :meth:`kill` can stop."""
        with self.driving() as io:
            return self.run_on(io, flow, *args, **kwargs)

    def end_runs_of(self, memory: Memory) -> None:
        """Cancel the runs that have the identity of the task, in the seconds that Airflow leaves after a kill."""
        self._cancelled.update(self._run_on_new_session(cancel_runs_of, memory, KILL_SECONDS))

    def _end_all(self) -> None:
        """Cancel the run, or the runs that the task may have while it is looked for or created."""
        if not self._cancel_on_kill:
            return
        self.has_ended_runs = self._run_id is not None or self.memory is not None
        if self._run_id is not None:
            if self._run_on_new_session(cancel_run, self._run_id, KILL_SECONDS) is None:
                self._cancelled.add(self._run_id)
        elif self.memory is not None:
            self.end_runs_of(self.memory.now)

    def _stop_if_killed(self, run_id: str) -> None:
        if not self._killed:
            return
        if self._cancel_on_kill and run_id not in self._cancelled:
            self._run_on_new_session(cancel_run, run_id, KILL_SECONDS)
        raise WherobotsTaskKilledException(f"The task was killed before it could follow run {run_id}")
