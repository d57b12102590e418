"""The SQL of one try while it runs on a worker: what a kill cancels and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from airflow_provider_wherobots.api.sql.messages import SUCCEEDED, ExecutionResult, StateUpdated
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel, write_cancel, wrote_nothing
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.tasks.attempt import Attempt

T = TypeVar("T")


class SqlAttempt(Attempt):
    """Runs the flows of SQL, on one WebSocket."""

    def __init__(self, hook: WherobotsHook) -> None:
        super().__init__(hook)
        self._in_flight: tuple[Sequence[str], str] = ((), "")
        self.stop: Callable[[float], Flow[object]] | None = None
        """Makes the flow by which a kill stops the session, from the seconds that it may take; None if it must not."""
        self._sockets_before: int | None = None
        self.ended_at_kill: dict[str, bool] = {}
        """Whether a statement that a kill has cancelled had succeeded; False if it has certainly written nothing. One
        of which neither is known is not in it.
        """

    @contextmanager
    def open(self) -> Iterator[None]:
        """Open the driver, and close it at the end with its WebSocket. If it is open already, leave it open."""
        if self._driver is not None:
            yield
            return
        self.get_ready()
        with self.driving():
            yield

    def run(self, flow: Flow[T]) -> T:
        """Run a flow that :meth:`kill` can stop, between :meth:`open` and its end."""
        if self._killed:
            # The driver would let it use the WebSocket, as it must let the cancel.
            raise WherobotsTaskKilledException("the task is being stopped")
        return self.run_on(self.driver, flow)

    @property
    def driver(self) -> SyncDriver:
        """The driver, between :meth:`open` and its end."""
        if self._driver is None:
            raise RuntimeError("the attempt is not open")
        return self._driver

    @contextmanager
    def in_flight(self, execution_ids: Sequence[str], url: str, *, sends: bool = False) -> Iterator[None]:
        """The time in which a kill has something to cancel. A failure does not end it: the statement may still run.
        ``sends``: the statement is sent in this time, on the WebSocket that is open.
        """
        self._sockets_before = self.driver.sockets_opened if sends else None
        self._in_flight = execution_ids, url
        yield
        self._in_flight = (), ""

    @contextmanager
    def starting(self, stop: Callable[[float], Flow[object]] | None) -> Iterator[None]:
        """The time in which a kill stops a session, unless ``stop`` is None. A failure does not end it."""
        self.stop = stop
        yield
        self.stop = None

    def _end_all(self) -> None:
        """Cancel the statements in flight, then stop the session."""
        execution_ids, url = self._in_flight
        share = WORKER_CANCEL_BUDGET_SECONDS / max(1, len(execution_ids) + (self.stop is not None))
        if len(execution_ids) == 1:
            last = self._run_at_kill(last_word_after_cancel(execution_ids[0], share, url))
            has_succeeded = isinstance(last, StateUpdated | ExecutionResult) and last.state == SUCCEEDED
            if has_succeeded or wrote_nothing(last, was_in_contact=self._was_in_contact):
                self.ended_at_kill[execution_ids[0]] = has_succeeded
        else:
            for execution_id in execution_ids:
                # The responses about several would take longer than Airflow waits.
                self._run_at_kill(write_cancel(execution_id, share, url))
        self.stop_session(share)

    @property
    def _was_in_contact(self) -> bool:
        """Whether the WebSocket that has sent the statement is still open."""
        return self._driver is not None and self._driver.sockets_opened == self._sockets_before

    def stop_session(self, budget_seconds: float = WORKER_CANCEL_BUDGET_SECONDS) -> None:
        """Stop the session as a kill does, also one that became known only after the kill."""
        stop, self.stop = self.stop, None
        if stop is not None:
            self._run_on_new_session(stop(budget_seconds))

    def _run_at_kill(self, flow: Flow[T]) -> T:
        return self._run_on_new_session(flow) if self._driver is None else self._driver.run(flow)
