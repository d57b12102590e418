"""A connection to a SQL session, its cursor and a result, as PEP 249 describes them. Every task executes SQL through
them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, Self
from uuid import uuid4

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import SUCCEEDED, ExecutionStatus, Store
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.dbapi.failures import (
    OutcomeUnknownError,
    Written,
    failure_of_hook,
    failure_of_session,
    outcome_unknown,
    refused,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsSqlException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
    without_retry,
)
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.journal import Ask, Execute, OutcomeUnknown, Skip, Verdict, Write, Writes
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionWait, await_session
from airflow_provider_wherobots.flows.sql.statement import (
    Statement,
    StatementOptions,
    attach,
    connect,
    end_earlier,
    execute,
    fetch,
    last_word_after_cancel,
    wrote_nothing,
)
from airflow_provider_wherobots.io.base import Flow, WriteNote
from airflow_provider_wherobots.io.worker import FlowStoppedError, WorkerIo
from airflow_provider_wherobots.sql.parameters import Parameters, bind
from airflow_provider_wherobots.sql.results import (
    MAX_ROWS,
    Column,
    ResultTooLargeError,
    Row,
    UnreadableResultError,
    columns_of,
    for_frames,
    for_xcom,
    read_table,
    rows_of,
    to_pandas,
)
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, masked, returns_result

if TYPE_CHECKING:
    import pandas
    import pyarrow


P = ParamSpec("P")


class Connection:
    """A connection to a SQL session. It serves one thread, but a signal handler can cancel its statement.

    :param io: makes the ``Io`` whose WebSocket the connection is; it is closed with the connection.
    :param run_apart: runs a flow, given with its arguments, on a connection of its own, for a cancel.
    :param note: takes messages about results.
    :param geometry: how geometries are written: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``; default ``ewkt``.
    :param writes: the task's journal of what it writes; default None, nothing is kept.
    :param written: is told of each statement that may have written; default an object of its own.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    :param max_outage_seconds: how long the WebSocket may take to be opened, or replaced, in seconds; default 600.
    """

    autocommit = True
    """Each statement takes effect by itself. Setting it has no effect."""

    def __init__(
        self,
        io: AbstractContextManager[WorkerIo],
        run_apart: Callable[..., Any],
        note: WriteNote,
        *,
        geometry: str = "ewkt",
        writes: Writes | None = None,
        written: Written | None = None,
        log_sql: bool = True,
        fails_if_cut: bool = False,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        self._exit = ExitStack()
        self._io = self._exit.enter_context(io)
        self._run_apart = run_apart
        self.note = note
        self._geometry = geometry
        self._log_sql = log_sql
        self.fails_if_cut = fails_if_cut
        self.writes = writes or Writes()
        self.written = written or Written()
        self._max_outage_seconds = max_outage_seconds
        self.session: SqlSession | None = None
        """The session; None if there is none (yet)."""
        self.running: str | None = None
        """The id of the statement that runs, or that an interruption has left behind."""
        self._sent = ""
        self._sent_on: object = None
        self._ended: dict[str, StatementState] = {}
        self._is_following = False
        self.is_closed = False

    @property
    def session_id(self) -> str:
        """The id of the session; empty if there is none (yet)."""
        return "" if self.session is None else self.session.id

    @property
    def url(self) -> str:
        """The address of its WebSocket; empty if there is no session (yet)."""
        return "" if self.session is None else self.session.socket_url

    def open(self, flow: Flow[P, SqlSession], *args: P.args, **kwargs: P.kwargs) -> SqlSession:
        """Wait for a session, and connect to it."""
        with self._failures():
            found = self._io.run(flow, *args, **kwargs)
        self.connect(found)
        return found

    def connect(self, session: SqlSession) -> None:
        """Connect to a session that is ready, in place of the one before."""
        with self._failures():
            self._io.run(connect, session, self._max_outage_seconds)
        self.session = session

    def cursor(self, *, log_sql: bool = True) -> Cursor:
        """Make a cursor.

        :param log_sql: whether it notes its statements, if the connection does; default True.
        """
        self._check_open()
        return Cursor(self, log_sql and self._log_sql)

    def execute(self, statement: str, store: Store | None = None) -> StatementOutcome:
        """Execute a statement, and wait for its end. An interruption, such as a kill or a timeout, cancels it.

        A read is executed again if the session, which executes many statements at once, has forgotten its result. A
        write that an earlier try of the task has executed is not executed again.

        :param statement: the statement, with its parameters in it.
        :param store: where its result goes; default None, it is fetched if there is one.
        :returns: its outcome, also of a failure.
        :raises OutcomeUnknownError: if an earlier try may have executed it, and nobody knows.
        """
        # Before the journal: a refused write was not sent.
        self._check_free()
        kind, options = kind_of(statement), self.options()
        message = Statement(str(uuid4()), statement, store, self._geometry, wants_result=returns_result(statement))
        if kind is not StatementKind.WRITE:
            outcome = self.send(message, options)
            if outcome.state is StatementState.RESULT_FORGOTTEN and kind is StatementKind.READ:
                self.note(logging.WARNING, f"{outcome.message}; executing the statement again")
                outcome = self.send(replace(message, execution_id=str(uuid4())), options)
            return outcome
        write = self.writes.next(statement, store)
        try:
            outcome = self.look(write, options, wants_result=message.wants_result) or self.send(message, options, write)
            if outcome.effect is not Effect.NONE:
                self.written.add(statement)
        except BaseException:
            if self._sent == message.execution_id:
                # It may succeed before its cancel, or has just ended.
                self.cancel_running()
                self.note_ends()
                if self._ended.get(self._sent) is not StatementState.FAILED:
                    self.written.add(statement)
            raise
        return outcome

    def options(self) -> StatementOptions:
        """How statements are followed."""
        return StatementOptions(self.url, max_outage_seconds=self._max_outage_seconds, session_id=self.session_id)

    def send(self, message: Statement, options: StatementOptions, write: Write | None = None) -> StatementOutcome:
        """Execute a statement, and follow it to its end. With ``options.hand_over_after`` it may still run then.

        :param write: notes it in the journal, before it is sent; default None, it is no write.
        """
        self._check_not_stopped()
        if write is not None:
            self.writes.sending(write, message.execution_id, self.session_id)
            if self._io.stopped:
                self.writes.ended(StatementOutcome(StatementState.NOT_SENT, message.execution_id))
        with self._following(message.execution_id, self._io.open_socket):
            outcome = self._no_longer_runs(self._io.run(execute, message, options))
        self.writes.ended(outcome)
        return outcome

    def attach(self, execution_id: str, options: StatementOptions, *, wants_result: bool = True) -> StatementOutcome:
        """Follow a statement that another connection has sent to its end."""
        with self._following(execution_id):
            outcome = self._io.run(attach, execution_id, options, geometry=self._geometry, wants_result=wants_result)
            return self._no_longer_runs(outcome)

    def fetch(self, execution_id: str, options: StatementOptions) -> StatementOutcome:
        """Fetch the result of a statement that has succeeded."""
        with self._following(execution_id):
            return self._no_longer_runs(self._io.run(fetch, execution_id, options, geometry=self._geometry))

    # What earlier tries have sent

    def look(self, write: Write, options: StatementOptions, *, wants_result: bool = False) -> StatementOutcome | None:
        """What an earlier try has made of a write; None if it is to be executed. The outcome is a success
        (``is_earlier``), or that it still runs, or was cancelled at the deadline.

        :raises OutcomeUnknownError: if nobody knows.
        """
        self.end_earlier_rounds()
        found: Verdict | Ask | StatementOutcome = self.writes.decide(write)
        if isinstance(found, Ask):
            found = self._ask(found, write, options)
        match found:
            case OutcomeUnknown():
                raise OutcomeUnknownError(found)
            case Skip(execution_id, session_id):
                outcome = StatementOutcome(StatementState.SUCCEEDED, execution_id, is_location_lost=wants_result)
                if wants_result and execution_id and session_id in ("", self.session_id):
                    fetched = self.fetch(execution_id, options)
                    outcome = fetched if fetched.state is StatementState.SUCCEEDED else outcome
                return replace(outcome, is_earlier=True)
            case StatementOutcome():
                return found
        return None

    def _ask(self, asked: Ask, write: Write, options: StatementOptions) -> Verdict | StatementOutcome:
        """Ask the session about executions of earlier tries, and follow one that still runs."""
        answers: list[StatementOutcome] = []
        verdict: Verdict | None = None
        try:
            with self._at(asked.session_id, options) as there:
                while verdict is None:
                    answer = self.attach(asked.execution_ids[len(answers)], there, wants_result=False)
                    if answer.state in (StatementState.DEADLINE, StatementState.RUNNING):
                        self.writes.ended(answer)
                        return answer
                    answers.append(answer)
                    verdict = self.writes.conclude(asked, write, answers)
        except WherobotsSqlSessionException as error:
            return OutcomeUnknown(str(error), asked.execution_ids[0], asked.session_id)
        if isinstance(verdict, Execute) and answers[0].state is StatementState.FAILED:
            text = f"The statement failed in an earlier attempt ({answers[0].message}); executing it again"
            self.note(logging.INFO, text)
        return verdict

    def end_earlier_rounds(self) -> None:
        """After a clear: cancel what still runs from before it. Raises if it may still run."""
        for session_id, execution_ids in self.writes.left.items():
            try:
                with self._at(session_id, self.options()) as there, self._failures():
                    running = self._io.run(end_earlier, execution_ids, there.url)
            except WherobotsSqlSessionException as error:
                if isinstance(error.__cause__, SessionEndedError):
                    continue
                raise
            if running:
                raise WherobotsUnavailableException(
                    f"The task was cleared, but its statement {running} could not be cancelled, and may still run in "
                    f"SQL session {session_id or self.session_id}. This attempt has executed nothing: clear the task "
                    "again"
                )
        self.writes.ended_left()

    @contextmanager
    def _at(self, session_id: str, options: StatementOptions) -> Iterator[StatementOptions]:
        """The time in which this is a connection to another session. Nothing is handed over from there."""
        here = self.session
        if here is None or session_id in ("", here.id):
            yield options
            return
        try:
            found = self.open(await_session, session_id, SessionWait.of_used(time.time()))
            yield replace(options, url=found.socket_url, session_id=found.id, hand_over_after=None)
        finally:
            self.connect(here)

    # How a statement ends

    @contextmanager
    def _following(self, execution_id: str, sent_on: object = None) -> Iterator[None]:
        """The context in which a flow sends a statement, on a WebSocket (``sent_on``), or attaches to one."""
        self._check_free()
        self._check_not_stopped()
        self._is_following = True
        try:
            self._sent_on = sent_on
            self.running = self._sent = execution_id
            with self._failures():
                yield
        except BaseException:
            self.note_ends()
            raise
        finally:
            self._is_following = False

    def _no_longer_runs(self, outcome: StatementOutcome) -> StatementOutcome:
        if outcome.state is not StatementState.RUNNING:
            self.running = None
        return outcome

    def note_ends(self) -> None:
        """Note in the journal how the statements have ended that were cancelled here, as far as that is known."""
        for execution_id, state in self._ended.items():
            self.writes.ended(StatementOutcome(state, execution_id))

    def cancel_running(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Cancel the running statement, if there is one, on a connection of its own. Never raises a
        ``WherobotsApiError``.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        execution_id = self.running
        if execution_id is None:
            return True
        last = self._run_apart(last_word_after_cancel, execution_id, budget_seconds, self.url)
        # Without contact the session may have cancelled it before, when part of it had taken effect.
        was_in_contact = self._sent_on is not None and self._io.open_socket is self._sent_on
        if isinstance(last, ExecutionStatus) and last.state == SUCCEEDED:
            self._ended[execution_id] = StatementState.SUCCEEDED
        elif wrote_nothing(last, was_in_contact=was_in_contact):
            self._ended[execution_id] = StatementState.FAILED
        # Only now: another thread that is stopped with this one must learn the end too.
        self.running = None
        return last is not None

    def stop(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> bool:
        """Let no statement begin any more, and cancel the running one. A signal handler can call this.

        :param budget_seconds: how long to try, in seconds; default 25.
        :returns: whether none runs any more.
        """
        self._io.stop()
        return self.cancel_running(budget_seconds)

    def commit(self) -> None:
        """Do nothing: each statement takes effect by itself."""

    def close(self) -> None:
        """Close the connection. A statement that another thread executes on it is cancelled."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            self.stop()
        finally:
            self._exit.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The context in which what a flow raises becomes an exception of the task."""
        self._check_not_stopped()
        try:
            yield
        except WherobotsApiError as error:
            raise failure_of_session(error) from error
        except InvalidArgumentError as error:
            raise refused(str(error)) from error
        except FlowStoppedError as error:
            raise WherobotsTaskKilledException(str(error)) from error

    def _check_not_stopped(self) -> None:
        if self._io.stopped:
            raise WherobotsTaskKilledException("the task is being stopped")

    def _check_open(self) -> None:
        if self.is_closed:
            raise refused("the connection is closed")

    def _check_free(self) -> None:
        self._check_open()
        if self._is_following:
            raise refused("the connection executes a statement in another thread: each thread needs its own connection")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


TRUNCATED = (
    f"the result has exactly {MAX_ROWS:,} rows, the most that the service returns: it may be truncated. Select fewer, "
    "or store all rows in a file: WherobotsSqlOperator(store=...), or get_df(..., stored=True) of the hook"
)


class ResultSet:
    """The result of one statement. A handler takes it for a cursor.

    :param note: takes the warning about a result that may be cut.
    :param written: what the task has written; default nothing.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    """

    arraysize = 1
    """The default number of rows of :meth:`fetchmany`."""

    def __init__(self, note: WriteNote, written: Written | None = None, *, fails_if_cut: bool = False) -> None:
        self._note = note
        self._written = written or Written()
        self._fails_if_cut = fails_if_cut
        ResultSet.close(self)

    def close(self) -> None:
        """Drop the result."""
        self.description: tuple[Column, ...] | None = None
        """The columns of the result set; None if the last statement has none, such as DDL."""
        self.query_id: str | None = None
        """The id of the last execution that has succeeded; None without one. Airflow's lineage has it too."""
        self.stored_at: str | None = None
        """The address of its result if that was stored; None if it has no rows."""
        self._table: pyarrow.Table | None = None
        self._rows: list[Row] | None = None
        self._is_read = False

    @property
    def rowcount(self) -> int:
        """How many rows the result set has; -1 without one. The service does not count the rows that DML changes."""
        return -1 if self._table is None else int(self._table.num_rows)

    def take(self, outcome: StatementOutcome, *, is_read: bool) -> None:
        """Hold the result of a statement that has succeeded. ``is_read``: it must have one, and may be executed again.

        :raises WherobotsSqlException: if the result cannot be read, or may be cut and that is an error.
        """
        ResultSet.close(self)
        self._is_read, self.query_id = is_read, outcome.execution_id
        try:
            table = read_table(outcome.results)
        except UnreadableResultError as error:
            raise self._lost(str(error), is_final=isinstance(error, ResultTooLargeError)) from error
        if table is None:
            if is_read:
                raise self._lost("the session has sent no result")
            self._rows = []
            return
        if table.num_rows == MAX_ROWS:
            if self._fails_if_cut:
                raise self._lost(f"{TRUNCATED}. With on_truncated='warn' the task takes these rows", is_final=True)
            self._note(logging.WARNING, f"{TRUNCATED[0].upper()}{TRUNCATED[1:]}")
        self._table, self.description = table, columns_of(table)

    def fetchone(self) -> Row | None:
        """The next row; None if there is none left.

        :raises WherobotsArgumentException: as :meth:`fetchall` does.
        """
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows.

        :param size: how many at most; default :attr:`arraysize`.
        :raises WherobotsArgumentException: as :meth:`fetchall` does.
        """
        rows = self._remaining()
        wanted = self.arraysize if size is None else size
        self._rows = rows[wanted:]
        return rows[:wanted]

    def fetchall(self) -> list[Row]:
        """All rows that are left; none after a statement without a result set, such as DDL.

        :raises WherobotsArgumentException: if nothing was executed, or the last execution failed or stored its result.
        """
        rows, self._rows = self._remaining(), []
        return rows

    def fetch_pandas(self) -> pandas.DataFrame:
        """The whole result set as a pandas DataFrame; one without columns if there is no result set.

        A BIGINT column with NULL has the type ``Int64``, so that its numbers stay exact. Columns of the same name and
        maps are changed, see :func:`airflow_provider_wherobots.sql.results.for_frames`.

        :raises ImportError: if pandas is not installed.
        """
        with self._reading():
            return to_pandas(self._table_for_frames())

    def fetch_records(self) -> list[dict[str, Any]]:
        """The whole result set as a list with a dict per row; empty if there is no result set or no row.

        Columns of the same name and maps are changed as by :meth:`fetch_pandas`. Decimals and timestamps are text.
        """
        with self._reading():
            table = self._table_for_frames()
            return [for_xcom(dict(zip(table.column_names, row, strict=True))) for row in rows_of(table)]

    def _table_for_frames(self) -> pyarrow.Table:
        import pyarrow

        table, changes = for_frames(pyarrow.table({}) if self._table is None else self._table)
        for change in changes:
            self._note(logging.INFO, change)
        return table

    def _remaining(self) -> list[Row]:
        if self._rows is None:
            if self._table is None:
                raise refused(
                    "there are no rows to fetch: nothing was executed, or the last execution failed or stored its "
                    "result in a file"
                )
            with self._reading():
                self._rows = rows_of(self._table)
        return self._rows

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """The context in which values are read: Python's types do not hold every date that Spark's do."""
        with self._written.no_retry_after_write():
            try:
                yield
            except (ValueError, OverflowError) as error:
                raise self._lost(f"a value of its result cannot be read: {error}") from error

    def _lost(self, why: str, *, is_final: bool = False) -> WherobotsException:
        """The exception for a result that cannot be had. A retry would execute again what has succeeded.

        ``is_final``: a retry could not have it either.
        """
        error = WherobotsSqlException(f"the statement succeeded, but {why}")
        return error if self._is_read and not is_final else without_retry(error)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cursor(ResultSet):
    """Executes statements one after the other, and holds the result of the last one.

    :param connection: the connection.
    :param log_sql: whether statements are noted, with their literals masked.
    """

    def __init__(self, connection: Connection, log_sql: bool) -> None:
        super().__init__(connection.note, connection.written, fails_if_cut=connection.fails_if_cut)
        self._connection = connection
        self._log_sql = log_sql

    def execute(self, operation: str, parameters: Parameters | None = None, store: Store | None = None) -> Cursor:
        """Execute a statement, and wait for its end.

        :param operation: the statement, one.
        :param parameters: a mapping or a sequence, see :func:`airflow_provider_wherobots.sql.parameters.bind`.
        :param store: where its result is stored; default None, it is fetched if there is one.
        :returns: this cursor.
        :raises WherobotsArgumentException: if the parameters do not fit; nothing was sent. Not retried.
        :raises WherobotsException: of another kind if it did not succeed, or if nobody knows where its result is.
        """
        super().close()
        with self._written.no_retry_after_write():
            statement = self._bound(operation, parameters)
            try:
                kind, outcome = kind_of(statement), self._connection.execute(statement, store)
            except OutcomeUnknownError as error:
                unknown, session_id = error.unknown, error.unknown.session_id or self._connection.session_id
                raise without_retry(
                    outcome_unknown("The statement", unknown.why, unknown.execution_id, session_id, is_final=True)
                ) from error
            if outcome.state is not StatementState.SUCCEEDED:
                may_repeat = kind is not StatementKind.WRITE
                raise failure_of_hook(outcome, self._connection.session_id, may_repeat=may_repeat)
            if store is None:
                self.take(outcome, is_read=kind is StatementKind.READ)
            elif outcome.is_location_lost:
                raise WherobotsSqlException(
                    "the statement succeeded, but the session no longer knows where its result is stored"
                )
            self.stored_at = outcome.result_uri
        return self

    def close(self) -> None:
        """Cancel the statement that still runs, which only an interruption leaves behind, and drop the result."""
        super().close()
        self._connection.cancel_running()

    def _bound(self, operation: str, parameters: Parameters | None) -> str:
        if not isinstance(operation, str) or not operation.strip():
            # Without the value, which may hold statements with their literals.
            kind = "is empty" if isinstance(operation, str) else f"is of type {type(operation).__name__}"
            raise refused(f"sql: must be a string that is not empty, but {kind}")
        try:
            statement = bind(operation, parameters)
        except InvalidArgumentError as error:
            raise refused(str(error)) from error
        if self._log_sql:
            self._note(logging.INFO, f"Executing: {words.quoted(masked(operation))}")
        return statement
