"""A connection to a SQL session as PEP 249 describes it."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, ExitStack
from threading import RLock
from typing import TypeVar
from uuid import uuid4

from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import SUCCEEDED, ExecutionResult, StateUpdated, Store
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.dbapi.cursor import Cursor
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.drivers.blocking import FlowStoppedError, SyncDriver
from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel, wrote_nothing
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, attach, execute, fetch
from airflow_provider_wherobots.hooks.sql_arguments import refused
from airflow_provider_wherobots.hooks.sql_failures import failure_of_session
from airflow_provider_wherobots.hooks.sql_written import Written
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, returns_result

T = TypeVar("T")


class Connection:
    """A connection to a SQL session. It serves one thread, but a signal handler can cancel its statement.

    :param driver: makes the driver whose WebSocket the connection is; it is closed with the connection.
    :param note: takes messages about results.
    :param geometry: how geometries are written: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``; default ``ewkt``.
    :param written: is told of each statement that may have written; default an object of its own.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    :param max_outage_seconds: how long the WebSocket may take to be opened, or replaced, in seconds; default 600.
    """

    autocommit = True
    """Each statement takes effect by itself. Setting it has no effect."""

    def __init__(
        self,
        driver: AbstractContextManager[SyncDriver],
        note: WriteNote,
        *,
        geometry: str = "ewkt",
        written: Written | None = None,
        log_sql: bool = True,
        fails_if_cut: bool = False,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        self._exit = ExitStack()
        self._driver = self._exit.enter_context(driver)
        self._note = note
        self._geometry = geometry
        self._log_sql = log_sql
        self._fails_if_cut = fails_if_cut
        self.written = written or Written()
        self._max_outage_seconds = max_outage_seconds
        self.session_id = ""
        """The id of the session; empty if there is none (yet)."""
        self.url = ""
        """The address of its WebSocket; empty if there is no session (yet)."""
        self.running: str | None = None
        """The id of the statement that runs, or that an interruption has left behind."""
        self._sent = ""
        self.ended: dict[str, bool] = {}
        """Whether a statement that was cancelled here had succeeded; False if it has certainly written nothing. One of
        which neither is known is not in it.
        """
        self._sockets_before: int | None = None
        self._is_following = False
        self.is_closed = False
        # A kill in one thread must not lose its connection to another thread that closes it.
        self._ending = RLock()

    def open(self, session: Flow[SqlSession]) -> SqlSession:
        """Wait for a session, and connect to it."""
        found = self._run(session)
        self.connect(found)
        return found

    def connect(self, session: SqlSession) -> None:
        """Connect to a session that is ready, in place of the one before."""
        self._run(connect(session, self._max_outage_seconds))
        self.session_id, self.url = session.id, session.socket_url

    def cursor(self, *, log_sql: bool = True) -> Cursor:
        """Make a cursor.

        :param log_sql: whether it notes its statements, if the connection does; default True.
        """
        self._check_open()
        return Cursor(self, self._note, log_sql=log_sql and self._log_sql, fails_if_cut=self._fails_if_cut)

    def execute(self, statement: str, store: Store | None = None) -> StatementOutcome:
        """Execute a statement, and wait for its end. A read is executed again if the session, which executes many
        statements at once, has forgotten its result.

        :param statement: the statement, with its parameters in it.
        :param store: where its result goes; default None, it is fetched if there is one.
        :returns: its outcome, also of a failure.
        """
        kind, execution_id = kind_of(statement), str(uuid4())
        try:
            outcome = self._execute_once(execution_id, statement, store)
            if outcome.is_result_forgotten and kind is StatementKind.READ:
                self._note(logging.WARNING, f"{outcome.message}; executing the statement again")
                outcome = self._execute_once(str(uuid4()), statement, store)
            had_effect = outcome.was_sent and outcome.state is not StatementState.FAILED
            self.written.may_have |= kind is StatementKind.WRITE and had_effect
        except BaseException:
            # Such as a kill or a timeout of the task: the statement may succeed before its cancel, or has just ended.
            if self._sent == execution_id:
                # This waits for the cancel of another thread.
                self.cancel_running()
                is_undone = self.ended.get(execution_id) is False
                self.written.may_have |= kind is StatementKind.WRITE and not is_undone
            raise
        return outcome

    def _execute_once(self, execution_id: str, statement: str, store: Store | None) -> StatementOutcome:
        wants_result = returns_result(statement)
        message = Statement(execution_id, statement, store, self._geometry, wants_result=wants_result)
        return self.send(message, self.options())

    def options(self) -> StatementOptions:
        """How statements are followed."""
        return StatementOptions(self.url, max_outage_seconds=self._max_outage_seconds, session_id=self.session_id)

    def send(self, message: Statement, options: StatementOptions) -> StatementOutcome:
        """Execute a statement, and follow it to its end. With ``options.hand_over_after`` it may still run then."""
        return self._follow(message.execution_id, execute(message, options), sends=True)

    def attach(self, execution_id: str, options: StatementOptions, *, wants_result: bool = True) -> StatementOutcome:
        """Follow a statement that another connection has sent to its end."""
        flow = attach(execution_id, options, geometry=self._geometry, wants_result=wants_result)
        return self._follow(execution_id, flow)

    def fetch(self, execution_id: str, options: StatementOptions) -> StatementOutcome:
        """Fetch the result of a statement that has succeeded."""
        return self._follow(execution_id, fetch(execution_id, options, geometry=self._geometry))

    def _follow(self, execution_id: str, flow: Flow[StatementOutcome], *, sends: bool = False) -> StatementOutcome:
        """Run a flow that executes a statement (``sends``), or attaches to one. After an interruption :meth:`close`
        cancels the statement.
        """
        self._check_open()
        if self._is_following:
            raise refused("the connection executes a statement in another thread: each thread needs its own connection")
        self._is_following = True
        try:
            # An interruption may have left an earlier one behind.
            self.cancel_running()
            self._sockets_before = self._driver.sockets_opened if sends else None
            self._check_not_stopped()
            self.running = self._sent = execution_id
            outcome = self._run(flow)
            if outcome.state is not StatementState.RUNNING:
                self.running = None
        finally:
            self._is_following = False
        return outcome

    def cancel_running(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Cancel the running statement, if there is one. Never raises a ``WherobotsApiError``.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        with self._ending:
            if self.running is None:
                return True
            execution_id, self.running = self.running, None
            has_sent = self._driver.sockets_opened == self._sockets_before
            try:
                flow = last_word_after_cancel(execution_id, budget_seconds, self.url, has_sent=has_sent)
                last = self._driver.run(flow)
            except FlowStoppedError:
                return False
            has_succeeded = isinstance(last, StateUpdated | ExecutionResult) and last.state == SUCCEEDED
            was_in_contact = self._driver.sockets_opened == self._sockets_before
            if has_succeeded or wrote_nothing(last, was_in_contact=was_in_contact):
                self.ended[execution_id] = has_succeeded
            return last is not None

    def stop(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Let no statement begin any more, and cancel the running one. A signal handler can call this.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        self._driver.stop()
        return self.cancel_running(budget_seconds)

    def commit(self) -> None:
        """Do nothing: each statement takes effect by itself."""

    def close(self) -> None:
        """Cancel the statement that still runs, which only an interruption leaves behind, and close the connection."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._is_following:
            # In another thread, which would connect again.
            self._driver.stop()
        with self._ending:
            try:
                self.cancel_running()
            finally:
                self._exit.close()

    def _run(self, flow: Flow[T]) -> T:
        self._check_not_stopped()
        try:
            return self._driver.run(flow)
        except WherobotsApiError as error:
            raise failure_of_session(error) from error
        except InvalidArgumentError as error:
            raise refused(str(error)) from error
        except FlowStoppedError as error:
            raise WherobotsTaskKilledException(str(error)) from error

    def _check_not_stopped(self) -> None:
        if self._driver.stopped:
            # The driver would let a flow use the WebSocket, as it must let the cancel.
            raise WherobotsTaskKilledException("the task is being stopped")

    def _check_open(self) -> None:
        if self.is_closed:
            raise refused("the connection is closed")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
