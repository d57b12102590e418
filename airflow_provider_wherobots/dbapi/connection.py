"""A connection to a SQL session as PEP 249 describes it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from threading import RLock
from typing import TypeVar
from uuid import uuid4

from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import SUCCEEDED, ExecutionResult, StateUpdated, Store
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.dbapi.cursor import Cursor
from airflow_provider_wherobots.dbapi.errors import (
    Failure,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    RefusedError,
    StoppedError,
    translated,
)
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.drivers.blocking import FlowStoppedError, SyncDriver
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel, wrote_nothing
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, attach, execute, fetch
from airflow_provider_wherobots.sql.reads import is_read, returns_result

T = TypeVar("T")


@dataclass
class Written:
    """What connections of one task have done. ``may_have``: whether a statement may have taken effect."""

    may_have: bool = False


class Connection:
    """A connection to a SQL session. It serves one thread, but a signal handler can cancel its statement.

    :param driver: makes the driver whose WebSocket the connection is; it is closed with the connection.
    :param note: takes messages about results.
    :param geometry: how geometries are written: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``; default ``ewkt``.
    :param failure: makes the exception to raise; default the exception itself.
    :param before_statement: takes the id of each execution before it is sent; default None.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    :param written: is told of each statement that may have written; default an object of its own.
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
        failure: Failure | None = None,
        before_statement: Callable[[str], None] | None = None,
        written: Written | None = None,
        log_sql: bool = True,
        fails_if_cut: bool = False,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        self._exit = ExitStack()
        self._driver = self._exit.enter_context(driver)
        self._note = note
        self._geometry = geometry
        self.failure = failure
        self._before_statement = before_statement
        self._log_sql = log_sql
        self.fails_if_cut = fails_if_cut
        self.written = written or Written()
        self._max_outage_seconds = max_outage_seconds
        self._session: SqlSession | None = None
        self._running: str | None = None
        self._sockets_before: int | None = None
        self.ended: dict[str, bool] = {}
        """Whether a statement that was cancelled here had succeeded; False if it has certainly written nothing. One of
        which neither is known is not in it.
        """
        self._is_following = False
        self.is_closed = False
        self.needs: object = None
        """An object that must live as long as the connection."""
        # A kill in one thread must not lose its connection to another thread that closes it.
        self._ending = RLock()

    @property
    def session(self) -> SqlSession:
        """The session that statements are executed in.

        :raises InterfaceError: if there is none (yet).
        """
        if self._session is None:
            with self.translated():
                raise InterfaceError("the connection is not open yet")
        return self._session

    @property
    def session_id(self) -> str:
        """The id of the session; empty if there is none (yet)."""
        return "" if self._session is None else self._session.id

    @property
    def url(self) -> str:
        """The address of its WebSocket; empty if there is no session (yet)."""
        return "" if self._session is None else self._session.socket_url

    @property
    def running(self) -> str | None:
        """The id of the statement that runs, or that an interruption has left behind."""
        return self._running

    def open(self, session: Flow[SqlSession]) -> None:
        """Wait for a session, and connect to it, in place of the one before."""
        with self.translated():
            self.connect(self._run(session))

    def connect(self, session: SqlSession) -> None:
        """Connect to a session that is ready, in place of the one before."""
        with self.translated():
            self._session = session
            self._run(connect(session, self._max_outage_seconds), RefusedError)

    def cursor(self, *, log_sql: bool = True) -> Cursor:
        """Make a cursor.

        :param log_sql: whether it notes its statements, if the connection does; default True.
        :raises InterfaceError: if the connection is closed.
        """
        self._check_open()
        return Cursor(self, self._note, log_sql=log_sql and self._log_sql)

    def execute(self, statement: str, store: Store | None = None) -> StatementOutcome:
        """Execute a statement, and wait for its end. A read is executed again if the session, which executes many
        statements at once, has forgotten its result.

        :param statement: the statement, with its parameters in it.
        :param store: where its result goes; default None, it is fetched if there is one.
        :returns: its outcome, also of a failure.
        :raises StoppedError: if the process is being stopped.
        """
        outcome = self._execute_once(statement, store)
        if outcome.is_result_forgotten and is_read(statement):
            self._note(logging.WARNING, f"{outcome.message}. The statement is executed again")
            return self._execute_once(statement, store)
        return outcome

    def _execute_once(self, statement: str, store: Store | None) -> StatementOutcome:
        self._check_open()
        execution_id = str(uuid4())
        if self._before_statement is not None:
            self._before_statement(execution_id)
        message = Statement(execution_id, statement, store, self._geometry, wants_result=returns_result(statement))
        return self.send(message, self.options())

    def options(self) -> StatementOptions:
        """How statements are followed."""
        return StatementOptions(url=self.url, max_outage_seconds=self._max_outage_seconds, session_id=self.session_id)

    def send(self, message: Statement, options: StatementOptions) -> StatementOutcome:
        """Execute a statement, and follow it to its end. With ``options.hand_over_after`` it may still run then."""
        return self.follow(message.execution_id, execute(message, options), sends=True)

    def attach(self, execution_id: str, options: StatementOptions, *, wants_result: bool = True) -> StatementOutcome:
        """Follow a statement that another connection has sent to its end."""
        flow = attach(execution_id, options, geometry=self._geometry, wants_result=wants_result)
        return self.follow(execution_id, flow)

    def fetch(self, execution_id: str, options: StatementOptions) -> StatementOutcome:
        """Fetch the result of a statement that has succeeded."""
        return self.follow(execution_id, fetch(execution_id, options, geometry=self._geometry))

    def follow(self, execution_id: str, flow: Flow[StatementOutcome], *, sends: bool = False) -> StatementOutcome:
        """Run a flow that executes a statement (``sends``), or attaches to one. After an interruption :meth:`close`
        cancels the statement. Raises ``StoppedError`` if the process is being stopped.
        """
        self._check_open()
        with self.translated():
            if self._is_following:
                raise InterfaceError(
                    "the connection executes a statement in another thread: each thread needs its own connection"
                )
            self._is_following = True
            try:
                # An interruption may have left an earlier one behind.
                self.cancel_running()
                self._sockets_before = self._driver.sockets_opened if sends else None
                self._running = execution_id
                outcome = self._run(flow)
                if outcome.state is not StatementState.RUNNING:
                    self._running = None
            finally:
                self._is_following = False
        return outcome

    def cancel_running(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Cancel the running statement, if there is one. Never raises a ``WherobotsApiError``.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        with self._ending:
            if self._running is None:
                return True
            execution_id, self._running = self._running, None
            try:
                last = self._driver.run(last_word_after_cancel(execution_id, budget_seconds, self.url))
            except FlowStoppedError:
                return False
            has_succeeded = isinstance(last, StateUpdated | ExecutionResult) and last.state == SUCCEEDED
            was_in_contact = self._driver.sockets_opened == self._sockets_before
            if has_succeeded or wrote_nothing(last, was_in_contact=was_in_contact):
                self.ended[execution_id] = has_succeeded
            return last is not None

    def undo_running(self) -> bool:
        """Cancel the running statement, if there is one. Never raises a ``WherobotsApiError``.

        :returns: whether it certainly has no effect.
        """
        with self._ending:
            execution_id = self._running
            self.cancel_running()
            return execution_id is None or self.ended.get(execution_id) is False

    def stop(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Let no statement begin any more, and cancel the running one. A signal handler can call this.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        self._driver.stop()
        return self.cancel_running(budget_seconds)

    def commit(self) -> None:
        """Do nothing: each statement takes effect by itself."""
        self._check_open()

    def rollback(self) -> None:
        """Refuse: there are no transactions.

        :raises NotSupportedError: always.
        """
        with self.translated():
            raise NotSupportedError("there are no transactions, so nothing can be rolled back")

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

    def translated(self, may_repeat: bool = False) -> AbstractContextManager[None]:
        """The context in which errors become the exceptions of the connection's owner."""
        return translated(self.failure, may_repeat)

    def _run(self, flow: Flow[T], kind: type[OperationalError] = OperationalError) -> T:
        if self._driver.stopped:
            # The driver would let it use the WebSocket, as it must let the cancel.
            raise StoppedError("the task is being stopped")
        try:
            return self._driver.run(flow)
        except WherobotsApiError as error:
            raise kind(str(error)) from error
        except InvalidArgumentError as error:
            raise ProgrammingError(str(error)) from error
        except FlowStoppedError as error:
            raise StoppedError(str(error)) from error

    def _check_open(self) -> None:
        if self.is_closed:
            with self.translated():
                raise InterfaceError("the connection is closed")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
