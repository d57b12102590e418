"""A connection to a SQL session as PEP 249 describes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TypeVar
from uuid import uuid4

from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.dbapi.cursor import Cursor
from airflow_provider_wherobots.dbapi.errors import (
    Error,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    RefusedError,
    StoppedError,
)
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.drivers.blocking import FlowStoppedError, SyncDriver
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.cancel import LastWord, last_word_after_cancel, wrote_nothing
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, execute
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
    :param failure: makes the exception to raise of one of this module's, and of whether its statement can be executed
        again; default the exception itself.
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
        failure: Callable[[Error, bool], Exception] | None = None,
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
        self._failure = failure
        self._before_statement = before_statement
        self._log_sql = log_sql
        self.fails_if_cut = fails_if_cut
        self.written = written or Written()
        self._max_outage_seconds = max_outage_seconds
        self._session: SqlSession | None = None
        self._running: str | None = None
        self._sockets_before = 0
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

    def open(self, session: Flow[SqlSession]) -> None:
        """Wait for a session, and connect to it."""
        with self.translated():
            self._session = self._run(session)
            self._run(connect(self._session, self._max_outage_seconds), RefusedError)

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
        options = StatementOptions(
            url=self.session.socket_url, max_outage_seconds=self._max_outage_seconds, session_id=self.session_id
        )
        executed = Statement(execution_id, statement, store, self._geometry, wants_result=returns_result(statement))
        return self.follow(execution_id, execute(executed, options))

    def follow(self, execution_id: str, flow: Flow[StatementOutcome]) -> StatementOutcome:
        """Run a flow that executes a statement, or attaches to one. After an interruption :meth:`close` cancels the
        statement. Raises ``StoppedError`` if the process is being stopped.
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
                self._running, self._sockets_before = execution_id, self._driver.sockets_opened
                outcome = self._run(flow)
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
            return self._running is None or self._cancel(self._running, budget_seconds) is not None

    def undo_running(self) -> bool:
        """Cancel the running statement, if there is one. Never raises a ``WherobotsApiError``.

        :returns: whether it certainly has no effect.
        """
        with self._ending:
            if self._running is None:
                return True
            last = self._cancel(self._running, CANCEL_BUDGET_SECONDS)
            return wrote_nothing(last, was_in_contact=self._driver.sockets_opened == self._sockets_before)

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

    @contextmanager
    def translated(self, may_repeat: bool = False) -> Iterator[None]:
        """The context in which errors become the exceptions of the connection's owner."""
        try:
            yield
        except Error as error:
            if self._failure is None:
                raise
            raise self._failure(error, may_repeat) from error.__cause__

    def _cancel(self, execution_id: str, budget_seconds: float) -> LastWord | None:
        self._running = None
        try:
            return self._driver.run(last_word_after_cancel(execution_id, budget_seconds, self.session.socket_url))
        except FlowStoppedError:
            return None

    def _run(self, flow: Flow[T], kind: type[OperationalError] = OperationalError) -> T:
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
