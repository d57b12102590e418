"""The SQL work of one try while it runs on a worker, and how a kill stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from airflow_provider_wherobots.drivers.blocking import FlowStoppedError, SyncDriver
from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.cancel import WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.statement import cancel
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

T = TypeVar("T")


class SqlAttempt:
    """Runs flows on the calling thread, on one WebSocket. A signal handler may interrupt it with :meth:`kill`.

    :param hook: the connection to use.
    """

    def __init__(self, hook: WherobotsHook) -> None:
        self._hook = hook
        self._driver: SyncDriver | None = None
        self._in_flight: tuple[Sequence[str], str] = ((), "")
        self._stop: Callable[[float], Flow[object]] | None = None
        self._killed = False
        self._notes: list[tuple[int, str]] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Open what flows need, and close it, with the WebSocket, at the end."""
        # A kill must find the HTTP client imported and the connection read: it may interrupt either.
        import airflow_provider_wherobots.api.transports.requests  # noqa: F401

        self._hook.settings  # noqa: B018
        with self._hook.driver(self._note) as driver:
            driver.stopped = self._killed
            self._driver = driver
            try:
                yield
            finally:
                self._driver = None

    @contextmanager
    def open_once(self) -> Iterator[None]:
        """The same, unless it is open already."""
        if self._driver is not None:
            yield
            return
        with self.open():
            yield

    @property
    def driver(self) -> SyncDriver:
        """The driver, between :meth:`open` and its end."""
        if self._driver is None:
            raise RuntimeError("the attempt is not open")
        return self._driver

    def run(self, flow: Flow[T]) -> T:
        """Run a flow that :meth:`kill` can stop, between :meth:`open` and its end.

        :param flow: the flow.
        :raises WherobotsTaskKilledException: when the task was killed meanwhile.
        """
        if self._killed:
            # The driver would let it use the WebSocket, as it must let the cancel.
            raise WherobotsTaskKilledException("the task is being stopped")
        try:
            return self.driver.run(flow)
        except FlowStoppedError as error:
            raise WherobotsTaskKilledException(str(error)) from None

    @contextmanager
    def in_flight(self, execution_ids: Sequence[str], url: str) -> Iterator[None]:
        """The time in which a kill has something to cancel. A failure does not end it: the statement may still run.

        :param execution_ids: ids of the executions.
        :param url: address of the session's WebSocket.
        """
        self._in_flight = execution_ids, url
        yield
        self._in_flight = (), ""

    @contextmanager
    def starting(self, stop: Callable[[float], Flow[object]] | None) -> Iterator[None]:
        """The time in which a kill stops a session.

        :param stop: makes the flow that stops it, of the seconds that it may take; None for a session of others.
        """
        self._stop = stop
        yield
        self._stop = None

    @property
    def was_killed(self) -> bool:
        """Whether the task was killed."""
        return self._killed

    def kill(self) -> None:
        """Stop for good, and cancel the statement in flight, or stop the session that starts.

        Does not read the connection again, because the interrupted code may be in the middle of a request to the
        supervisor.
        """
        if self._killed:
            return
        self._killed = True
        driver = self._driver
        if driver is not None:
            driver.stop()
        try:
            if self._in_flight[0] and driver is not None:
                self._cancel_on(driver)
            elif self._in_flight[0] or self._stop is not None:
                # Not the driver's own session: it may hold half a response.
                with self._hook.driver(self._note, may_reload=False) as another:
                    if self._stop is not None:
                        another.run(self._stop(WORKER_CANCEL_BUDGET_SECONDS))
                    else:
                        self._cancel_on(another)
        finally:
            # Log last, and ignore failure: the interrupted thread may be in the middle of writing to the same log.
            with suppress(RuntimeError):
                for level, text in self._notes:
                    self._hook.log.log(level, text)

    def _cancel_on(self, driver: SyncDriver) -> None:
        execution_ids, url = self._in_flight
        share = WORKER_CANCEL_BUDGET_SECONDS / len(execution_ids)
        for execution_id in execution_ids:
            # The answers about several would take longer than Airflow waits.
            driver.run(cancel(execution_id, share, url=url, listen=len(execution_ids) == 1))

    def _note(self, level: int, text: str) -> None:
        if self._killed:
            self._notes.append((level, text))
        else:
            self._hook.log.log(level, text)
