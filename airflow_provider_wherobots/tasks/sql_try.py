"""One try of the operator that executes SQL.

A try gets a session, finds out what earlier tries have executed (``flows/sql/journal.py``), and executes the rest, one
statement after the other. A long statement is handed to the triggerer and taken back.

The task's *own session* is stopped when the task is done or killed, or fails and is not retried: a retry uses it. Only
a session of the type ``single`` is not found again, so it is stopped in any case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.sessions import SINGLE, SessionRequest, SqlSession
from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.dbapi.connection import Connection
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    kind_of_call,
    without_retry,
)
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.sql.follower import FORGOTTEN_WRITE_SECONDS
from airflow_provider_wherobots.flows.sql.journal import Doubt, Write, Writes, digest_of
from airflow_provider_wherobots.flows.sql.outcome import SqlSummary, StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import (
    USED_OUTAGE_SECONDS,
    SessionEndedError,
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    request_session_with_quota,
    stop_requested_session,
)
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions
from airflow_provider_wherobots.hooks.sql_failures import InDoubtError, failure, in_doubt
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, argument_errors
from airflow_provider_wherobots.runs.measurements import of_statement
from airflow_provider_wherobots.runs.memory import Answer, Past
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.sql.parameters import read_statements
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, masked, returns_result
from airflow_provider_wherobots.stored import StoredOptions
from airflow_provider_wherobots.tasks.memory import TaskMemory, writes_of
from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt
from airflow_provider_wherobots.tasks.sql_results import SqlResults
from airflow_provider_wherobots.tasks.task_try import TaskTry
from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger
from airflow_provider_wherobots.xcoms import SQL_EXECUTION_ID_KEY, SQL_SESSION_ID_KEY, SQL_SUMMARY_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_task import SqlTask

HAND_OVER_SECONDS = 30.0
"""How long a statement may hold a worker before the triggerer follows it."""
GRACE_SECONDS = 120.0
"""How long a session executes a statement on whose connection nobody is: the time to hand it over."""
OF_EARLIER_TRY = -1
"""The ``index`` of a deferral for a write that an earlier try has sent."""
MAX_SESSIONS = 3
"""How many sessions a try requests if they fail, and no retry could know that nothing was sent to them."""
SHOWN_CHARS = 120
"""How many characters of a statement a message shows."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement of a task, at its ``position`` from 0. ``is_returned``: what it returns is a part of what the task
    returns. ``write``: None if it only reads, or only changes the session.
    """

    position: int
    text: str = field(repr=False)
    kind: StatementKind
    wants_result: bool
    store: Store | None
    is_returned: bool
    write: Write | None


@dataclass(frozen=True, slots=True)
class DeferredSql(StoredOptions):
    """What a try keeps while it is deferred. All of it is missing in ``dag.test()``, and after a failed trigger.

    :param memory: what the task remembers, as a document. Without it the store is read.
    :param session_id: id of the session; empty as long as there is none.
    :param quota: the wait for quota, as long as there is no session.
    :param wait: the wait for the session, as long as it starts.
    :param sessions: how many sessions the try has requested.
    :param index: the place of the statement that is followed, from 0; -1 if an earlier try has sent it.
    :param kinds: what kinds of statements the task has: the ``index`` counts only if it still has these.
    :param seconds: how long the statements before it took.
    """

    memory: dict[str, Any] | None = None
    session_id: str = ""
    quota: dict[str, Any] | None = None
    wait: dict[str, Any] | None = None
    sessions: int = 1
    index: int | None = None
    kinds: str = ""
    seconds: float = 0.0


class SqlTry(TaskTry["SqlTask", "SqlAttempt"]):
    """One try of a ``WherobotsSqlOperator``."""

    _memory: TaskMemory
    _writes: Writes

    def __init__(self, task: SqlTask, context: Context, attempt: SqlAttempt) -> None:
        super().__init__(task, context, attempt)
        self._planned = _plan(task)
        self._results = SqlResults(task)
        self._session: SqlSession | None = None
        self.session_id = ""
        """The session's id, as soon as it is known."""
        self._sessions = 1
        self._index = 0
        self._seconds = 0.0
        self._last: StatementOutcome | None = None

    def begin(self) -> Any:
        """Get a session, and execute the statements in it.

        What a deferral of another try has kept does not count: that try may have gone on, and executed more.
        """
        self._remember_with(TaskMemory.begin(self.context, self.log, if_missing=Answer.NOTHING))
        with self._working():
            self._memory.remember(self._memory.now)
            return self._execute_in_session(None)

    def resume(self, event: Mapping[str, Any] | None, stored: Mapping[str, Any]) -> Any:
        """Continue after the wait for quota, for the session, or for the statement that the triggerer has followed.

        ``stored`` is what the try has kept.
        """
        kept = DeferredSql.from_kwargs(stored)
        wait = self._restore(event, kept)
        with self._working():
            if event and event.get("execution_id"):
                return self._take_back(StatementOutcome.from_event(event), kept)
            if not self.session_id:
                return self._execute_in_session(kept.quota)
            return self._execute_once_ready(wait, partial(self.get_ready, self.session_id))

    def resume_after_failed_trigger(self, error: Any, give_up: Callable[[], Any]) -> Any:
        """Follow the statement that a trigger should have followed. If there was none, ``give_up``."""
        if execution_id := self._pull(SQL_EXECUTION_ID_KEY):
            return self.resume(StatementOutcome(StatementState.RUNNING, execution_id, str(error)).to_event(), {})
        self._restore(None, DeferredSql())
        with self._working():
            return give_up()

    # What the task remembers

    def _restore(self, event: Any, kept: DeferredSql) -> SessionWait:
        """Restore what the try knew before its deferral, and return the rest of the wait for its session."""
        if kept.memory is None:
            self._remember_with(TaskMemory.begin(self.context, self.log, if_missing=Answer.NOTHING))
        else:
            self._remember_with(TaskMemory.resume(self.context, self.log, kept.memory))
        if isinstance(event, dict) and event.get("reason"):
            text = "The triggerer ended its wait for the SQL session (%s); looking at it on this worker"
            self.log.info(text, words.quoted(str(event["reason"])))
        self.session_id = kept.session_id or self._pull(SQL_SESSION_ID_KEY) or ""
        if self.session_id and self._memory.now.session_id == self.session_id:
            self.attempt.own(self.session_id, self._own_key)
        self._sessions = kept.sessions
        left = self._new_wait() if kept.wait is None else SessionWait.from_kwargs(kept.wait)
        # The trigger has been patient already.
        return replace(left, max_outage_seconds=min(left.max_outage_seconds, USED_OUTAGE_SECONDS))

    def _remember_with(self, memory: TaskMemory) -> None:
        self._memory, now = memory, memory.now
        self._writes = writes_of(memory, self.context, {}, self.task.retries or 0)
        if now.has_ended_writes or self.context["ti"].try_number == 1:
            return
        # Airflow 3.4 may have discarded what the earlier round remembered: its ids are computed.
        computed = self._writes.this_try.ids_of_earlier_rounds([one.write for one in self._planned if one.write])
        left = {"": list(computed)}
        for execution_id, session_id in now.writes_left:
            left.setdefault(session_id, []).append(execution_id)
        self._writes.left = left

    def _kept(self, **more: Any) -> dict[str, Any]:
        return {"memory": self._memory.now.to_json(), **more}

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The time in which the try works. What it has come to is remembered."""
        try:
            with self.attempt.open():
                yield
        except BaseException as error:
            may_retry = self._is_retried_after(error)
            is_used = self._is_deferring or (may_retry and self.task.session_type != SINGLE)
            if self.attempt.was_killed:
                self.attempt.note_ends()
            elif isinstance(error, Exception) and not self._is_deferring and not may_retry:
                self._memory.remember(self._memory.now.over())
            # Without an id the request has failed. If a session was started all the same, it ends by itself.
            if self.session_id and (self.attempt.was_killed or not is_used):
                self.attempt.stop_own_session()
            raise
        self.attempt.stop_own_session()
        self._memory.remember(self._memory.now.done(self.context["ti"].try_number))

    def _is_retried_after(self, error: BaseException) -> bool:
        return self.task.may_retry(error) and not self._is_last

    @property
    def _is_last(self) -> bool:
        """Whether no retry follows."""
        ti = self.context["ti"]
        return bool(ti.try_number > ti.max_tries)

    # The session

    def _execute_in_session(self, quota: Mapping[str, Any] | None, wait: SessionWait | None = None) -> Any:
        """Request a session, unless one is given, and execute the statements in it once it is ready."""
        given, wait = self.task.checked_session_id(), wait or self._new_wait()
        if given is not None:
            self.session_id, wait = given, replace(wait, appearance_seconds=0.0)
        else:
            self._request(quota, is_own=self.task.makes_own_session)
            if self.attempt.stop is not None:
                self._memory.remember(self._memory.now.has_session(self.session_id))
        url = self.task.announce_session(self.context, self.session_id)
        self.log.info("SQL session %s; sessions are listed at %s", words.short(self.session_id), url)
        return self._execute_once_ready(wait, self._get_ready_or_defer)

    def _execute_once_ready(self, wait: SessionWait, get_ready: Callable[[SessionWait], SqlSession]) -> Any:
        """Wait for the session, and execute the statements in it.

        If the session fails, nothing was sent. Below Airflow 3.3 no retry could know that. So this try requests another
        session there, if it has writes.
        """
        try:
            session = get_ready(wait)
        except WherobotsSqlSessionException as error:
            no_retry_knows = not self._memory.is_kept and any(one.write for one in self._planned)
            may_request = self._sessions < MAX_SESSIONS and not self.task.is_session_given
            if not (no_retry_knows and may_request and isinstance(error.__cause__, SessionEndedError)):
                raise
            self.log.warning("%s. Nothing was sent to it: requesting another session", error)
            self._sessions += 1
            return self._execute_in_session(None, wait)
        return self._execute_all(session)

    def _request(self, quota: Mapping[str, Any] | None, *, is_own: bool) -> None:
        """Request a session. After a long wait for quota the task resumes."""
        request = self._own_request() if is_own else self.task.session_request(self.task.session_key)
        wait = QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)
        if quota is not None:
            wait = QuotaWait.from_kwargs(quota)
        # A kill may come before the response, which has the session's id.
        is_found_again = is_own and request.is_repeatable
        self.attempt.stop = partial(stop_requested_session, request=request) if is_found_again else None
        with self._failures():
            response = self.attempt.run(request_session_with_quota, request, wait, self.task.max_outage_seconds)
        if isinstance(response, AwaitingQuota):
            self._defer_for_quota(response, self._kept(), method_name="execute_complete")
        self.attempt.stop = None
        if is_own and not response.fallback:
            self.attempt.own(response.id, self._own_key)
        self.session_id = response.id

    def _own_request(self) -> SessionRequest:
        """The request for a session with a key that only this task has. Sent again, it finds the same session."""
        return replace(self.task.session_request(self._own_key), force_new=False)

    @property
    def _own_key(self) -> str:
        """The key of a session that only this task uses."""
        name = default_run_name(self.context["ti"].dag_id, self.task.task_id)
        return durable_run_name(name, self._memory.now.identity)

    @property
    def _key_to_stop(self) -> str:
        """The same, if a kill stops the session; else empty."""
        return "" if self.attempt.stop is None else self._own_key

    def _new_wait(self) -> SessionWait:
        """The wait for a session, from now on."""
        task = self.task
        return SessionWait(task.session_wait_timeout, task.max_outage_seconds, self.deadline, time.time())

    def get_ready(self, session_id: str, wait: SessionWait) -> SqlSession:
        """Wait for a session on this worker."""
        with self._failures():
            return self.attempt.run(await_session, session_id, wait)

    def _get_ready_or_defer(self, wait: SessionWait) -> SqlSession:
        """Wait for the session: on this worker, or in the triggerer if the task may be deferred and the session is not
        ready yet.
        """
        if not self.task.deferrable:
            return self.get_ready(self.session_id, wait)
        with self._failures():
            try:
                return self.attempt.run(await_session, self.session_id, replace(wait, timeout=0.0))
            except SessionWaitTimeoutError as error:
                if error.at_deadline:
                    raise
            except SessionFailedError:
                raise
            except WherobotsApiError as error:
                # The trigger is patient.
                self.log.warning("%s", error)
        self.log.info("Deferring the task: the triggerer waits for SQL session %s", words.short(self.session_id))
        conn_id, carried = self.task.wherobots_conn_id, wait.to_kwargs()
        self._defer(
            WherobotsSqlTrigger(conn_id, self.session_id, carried, own_key=self._key_to_stop),
            "execute_complete",
            self._kept(session_id=self.session_id, wait=carried, sessions=self._sessions),
            timedelta(seconds=wait.left(0.0, time.time()) + DEFER_MARGIN_SECONDS),
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The context in which errors of the API become exceptions of the task."""
        try:
            yield
        except SessionWaitTimeoutError as error:
            if error.at_deadline:
                raise self._timed_out(error) from error
            raise WherobotsSqlSessionException(str(error)) from error
        except SessionFailedError as error:
            raise WherobotsSqlSessionException(str(error)) from error
        except QuotaNotFreedError as error:
            raise self._no_quota(error) from error
        except WherobotsApiError as error:
            advice = f". {words.CHECK_KEY}" if error.key_may_change else ""
            raise kind_of_call(error)(f"There is no SQL session: {words.quoted(str(error))}{advice}") from error

    def _connected(self) -> Connection:
        """The connection to the task's session."""
        if self.attempt.connection is None:
            return self._connect(self.get_ready(self.session_id, SessionWait.of_used(time.time())))
        return self.attempt.connection

    def _connect(self, session: SqlSession) -> Connection:
        task = self.task
        connection = self.attempt.connect(self._writes, task.geometry, task.max_outage_seconds)
        self._session = session
        if self.attempt.stop is not None:
            self.attempt.own(session.id, self._own_key, is_new=False)
        connection.connect(session)
        return connection

    def _options(self, connection: Connection, **more: Any) -> StatementOptions:
        return replace(connection.options(), deadline=self.deadline, **more)

    # The statements

    def _execute_all(self, session: SqlSession) -> Any:
        """Find out about all that earlier tries may have sent, before anything is executed."""
        connection = self._connect(session)
        connection.end_earlier_rounds()
        options = self._options(connection, hand_over_after=self._hand_over_after)
        if (edited := self._writes.edited([one.write.digest for one in self._planned if one.write])) is not None:
            self._fail_in_doubt(edited)
        for statement in self._planned:
            if statement.write is not None:
                self._index = statement.position
                found = self._in_no_doubt(partial(connection.look, statement.write, options))
                if found is None:
                    break
                if found.state is StatementState.RUNNING:
                    self._hand_over(found, index=OF_EARLIER_TRY)
                if not found.is_earlier:
                    self._take(found)
        self._index = 0
        return self._execute_rest()

    def _in_no_doubt(self, look: Callable[[], StatementOutcome | None]) -> StatementOutcome | None:
        try:
            return look()
        except InDoubtError as error:
            self._fail_in_doubt(error.doubt)

    def _fail_in_doubt(self, doubt: Doubt) -> NoReturn:
        self._last = StatementOutcome(StatementState.UNKNOWN, doubt.execution_id)
        self._summarize()
        # The store could not be read. The next try may read it, and then knows.
        may_know = self._memory.now.past is Past.UNKNOWN and self.context.get("task_state_store") is not None
        is_final = self._is_last or not may_know
        session_id = doubt.session_id or self.session_id
        made = in_doubt(self._name(), doubt.why, doubt.execution_id, session_id, is_final=is_final)
        raise made if may_know else without_retry(made)

    def _execute_rest(self) -> Any:
        while self._index < len(self._planned):
            self._take(self._again_if_forgotten(self._execute()))
        self._summarize()
        return None if self._last is None else self._results.value(self._last)

    def _execute(self, execution_id: str = "") -> StatementOutcome:
        """Execute a statement, unless an earlier try has. Its outcome ``is_earlier`` then."""
        statement, connection = self._statement, self._connected()
        options = self._options(connection, hand_over_after=self._hand_over_after)
        if statement.write is not None:
            is_stored = statement.store is not None and returns_result(statement.text)
            wants_result = statement.wants_result or is_stored
            look = partial(connection.look, statement.write, options, wants_result=wants_result)
            if (found := self._in_no_doubt(look)) is not None:
                return found
        execution_id = execution_id or self._id_of(statement)
        self._push(SQL_EXECUTION_ID_KEY, execution_id)
        number, count, text = self._index + 1, len(self._planned), masked(statement.text)
        self.log.info("Executing statement %d of %d [%s]: %s", number, count, execution_id, text)
        message = Statement(execution_id, statement.text, statement.store, self.task.geometry, statement.wants_result)
        outcome = connection.send(message, options, statement.write)
        if outcome.state is StatementState.RUNNING:
            self._hand_over(outcome, index=self._index)
        return outcome

    def _id_of(self, statement: Planned) -> str:
        """The id under which this try executes a statement."""
        return self._writes.this_try.id_of(statement.position, digest_of(statement.text, statement.store))

    def _again_if_forgotten(self, outcome: StatementOutcome) -> StatementOutcome:
        """Execute a read once more if the session, which executes many at once, has forgotten its result."""
        is_first = outcome.execution_id == self._id_of(self._statement)
        if not (outcome.is_result_forgotten and is_first and self._statement.kind is StatementKind.READ):
            return outcome
        self.log.warning("%s: %s; executing it again", self._name(), outcome.message)
        return self._execute(str(uuid4()))

    @property
    def _hand_over_after(self) -> float | None:
        """When the triggerer follows a statement; None if it cannot, or would lose results that this process holds."""
        limit = None if self.task.is_session_given else self.task.shutdown_after_inactive_seconds
        # The session must live without a client for as long as a triggerer may take to attach.
        outlives = limit is None or limit >= GRACE_SECONDS
        return HAND_OVER_SECONDS if self.task.deferrable and outlives and not self._results.is_holding else None

    def _hand_over(self, outcome: StatementOutcome, *, index: int) -> NoReturn:
        """Let the triggerer attach to a statement. The session cancels it if that does not happen in two minutes."""
        store, options = self._statement.store, self._options(self._connected(), started_at=outcome.started_at)
        self.log.info("Deferring the task: the triggerer follows statement %s", outcome.execution_id)
        if self._statement.write is not None:
            options = replace(options, forgotten_seconds=FORGOTTEN_WRITE_SECONDS)
        self._defer(
            WherobotsSqlTrigger(
                self.task.wherobots_conn_id,
                self.session_id,
                execution_id=outcome.execution_id,
                follow=options.to_kwargs(),
                tells_address=store is None or not store.presigned_url,
                own_key=self._key_to_stop,
            ),
            "execute_complete",
            self._kept(session_id=self.session_id, index=index, kinds=self._kinds, seconds=self._seconds),
            self._defer_timeout(self.deadline),
        )

    def _take_back(self, outcome: StatementOutcome, kept: DeferredSql) -> Any:
        """Take the outcome of a statement that a trigger has followed, and continue."""
        index = self._place_of(outcome.execution_id, kept)
        if index is None:
            self._writes.ended(outcome)
            return self._execute_all(self.get_ready(self.session_id, SessionWait.of_used(time.time())))
        self._index, self._seconds = index, kept.seconds
        # With results before it, the task would not have deferred.
        self._results.add_none(sum(statement.is_returned for statement in self._planned[:index]))
        if outcome.state is StatementState.RUNNING or self._must_fetch(outcome):
            outcome = self._follow(outcome)
        self._writes.ended(outcome)
        self._take(self._again_if_forgotten(outcome))
        return self._execute_rest()

    def _place_of(self, execution_id: str, kept: DeferredSql) -> int | None:
        """The place of the statement that a trigger has followed; None for one of an earlier try. Its text may be
        rendered differently now. On 3.0 the trigger may be that of an earlier try.
        """
        index, this = kept.index, self._writes.this_try
        if index == OF_EARLIER_TRY:
            return None
        if index is None:
            which = [(one.position, digest_of(one.text, one.store)) for one in self._planned]
            places = [one[0] for one in which if execution_id in (this.id_of(*one), *this.ids_before(*one))]
            index = places[0] if places else 0 if len(self._planned) == 1 else None
        if index is None or kept.kinds not in ("", self._kinds):
            raise WherobotsArgumentException(
                f"{self.task.task_id}: sql has changed since the task was deferred: it is unknown which statements are "
                "left, so nothing more is executed. See the task log for what was executed, then clear the task, or "
                "mark it as success"
            )
        return index

    @property
    def _kinds(self) -> str:
        return "".join(one.kind[0] for one in self._planned)

    def _must_fetch(self, outcome: StatementOutcome) -> bool:
        if outcome.state is not StatementState.SUCCEEDED:
            return False
        store = self._statement.store
        has_secret_address = store is not None and store.presigned_url
        return self._statement.wants_result or (has_secret_address and outcome.result_uri is None)

    def _follow(self, outcome: StatementOutcome) -> StatementOutcome:
        """Follow a statement in the place of its trigger, or fetch what it has returned."""
        execution_id, is_running = outcome.execution_id, outcome.state is StatementState.RUNNING
        lost = StatementState.UNKNOWN if is_running else StatementState.GAVE_UP
        if is_running:
            text = "The triggerer could not follow statement %s (%s); following it on this worker"
            self.log.warning(text, execution_id, outcome.message)
        try:
            connection = self._connected()
        except WherobotsTaskKilledException:
            raise
        except WherobotsException as error:
            what = "its session cannot be reached" if is_running else "it succeeded, but its result was not fetched"
            return replace(outcome, state=lost, message=f"{what}: {error}")
        options, wants_result = self._options(connection), self._statement.wants_result
        if is_running or not wants_result:
            options = replace(options, started_at=outcome.started_at or None)
            found = connection.attach(execution_id, options, wants_result=wants_result)
        else:
            found = connection.fetch(execution_id, options)
        if is_running:
            return found
        if found.state is StatementState.SUCCEEDED:
            return replace(found, seconds=outcome.seconds)
        return replace(
            outcome,
            state=lost,
            message=f"it succeeded, but its result was not fetched: {found.message}",
            is_result_forgotten=found.is_result_forgotten,
            is_too_large=found.is_too_large,
        )

    def _take(self, outcome: StatementOutcome) -> None:
        """Keep the result of a statement that has succeeded, otherwise fail the task."""
        statement = self._statement
        self._last = outcome
        if not outcome.is_earlier:
            region = self._session.region if self._session else None
            self._emit(of_statement(outcome.seconds, outcome.state.value, region, self._metric_tags))
            self._seconds += outcome.seconds
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize()
            raise failure(
                outcome,
                self._name(),
                self.session_id,
                self._execution_timeout,
                may_repeat=statement.write is None,
                is_last=self._is_last,
            )
        when = "an earlier try; not executing it again" if outcome.is_earlier else words.duration(outcome.seconds)
        self.log.info("%s succeeded in %s", self._name(), when)
        if statement.is_returned:
            self._results.add(outcome, is_read=statement.kind is StatementKind.READ)
        self._index += 1

    def _summarize(self) -> None:
        last, session = self._last, self._session
        summary = SqlSummary(
            state="unknown" if last is None else last.state.value,
            session_id=self.session_id,
            execution_id=None if last is None else last.execution_id,
            region=(session.region or None) if session else None,
            version=(session.version or None) if session else None,
            statements=self._index,
            seconds=round(self._seconds, 3),
            rows=self._results.rows,
            stored_bytes=None if last is None else last.size,
        )
        self.log.info("%s", summary.describe())
        self._push(SQL_SUMMARY_KEY, summary.to_json())

    @property
    def _statement(self) -> Planned:
        return self._planned[self._index]

    def _name(self) -> str:
        """The statement as messages name it."""
        return f"Statement {self._index + 1} of {len(self._planned)} ({masked(self._statement.text, SHOWN_CHARS)})"


def _plan(task: SqlTask) -> list[Planned]:
    """Make the statements of a task, once its arguments are rendered. What can be checked before anything is sent is
    checked here.
    """
    if task.database:
        task.log.warning(
            "database=%r has no effect: connections share their session, so it has no current database. Name it in "
            "the statement, such as catalog.database.table",
            task.database,
        )
    if task.hook_params:
        names = ", ".join(map(str, task.hook_params))
        task.log.warning("hook_params (%s) has no effect: the task has arguments for all of it", names)
    with argument_errors(task.task_id):
        texts = read_statements(task.sql, bool(task.split_statements), task.parameters)
    task.checked_session_id()
    store, last = task.checked_store(), len(texts) - 1
    planned: list[Planned] = []
    for position, text in enumerate(texts):
        is_returned = store is None and task.fetches_results and (position == last or not task.returns_one)
        kind, number = kind_of(text), sum(one.write is not None for one in planned)
        target = store if position == last else None
        is_write = kind is StatementKind.WRITE
        planned.append(
            Planned(
                position,
                text,
                kind,
                wants_result=is_returned and returns_result(text),
                store=target,
                is_returned=is_returned,
                write=Write(number, position, digest_of(text, target)) if is_write else None,
            )
        )
    return planned
