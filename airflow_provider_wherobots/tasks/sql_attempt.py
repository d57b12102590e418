"""What a SQL task does in one call from Airflow.

It gets a session, finds out what earlier tries have executed (``flows/sql/journal.py``), and executes the rest, one
statement after the other. A long statement is handed to the triggerer and taken back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.endpoint import workload_history_url
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.sessions import SessionRequest, SqlSession
from airflow_provider_wherobots.compat import Context, mask_secret
from airflow_provider_wherobots.dbapi.connection import Connection, ResultSet
from airflow_provider_wherobots.dbapi.failures import OutcomeUnknownError, failure, outcome_unknown
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsSqlException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    kind_of_call,
    without_retry,
)
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.follower import FORGOTTEN_WRITE_SECONDS
from airflow_provider_wherobots.flows.sql.journal import OutcomeUnknown, Write, Writes, digest_of
from airflow_provider_wherobots.flows.sql.outcome import SqlSummary, StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import (
    APPEARANCE_SECONDS,
    USED_OUTAGE_SECONDS,
    SessionEndedError,
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    request_session_with_quota,
    stop_requested_session,
    stop_session,
)
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, cancel_in_session
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.links.run import WherobotsSqlSessionLink
from airflow_provider_wherobots.runs.memory import Answer, Past
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.runs.summary import of_statement
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, masked, returns_result
from airflow_provider_wherobots.stored import SQL_EXECUTION_ID_KEY, SQL_SESSION_ID_KEY, SQL_SUMMARY_KEY, StoredOptions
from airflow_provider_wherobots.task_memory import TaskMemory, writes_of
from airflow_provider_wherobots.tasks.attempt import Attempt
from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.tasks.wherobots_task import WherobotsTask

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
    store: Store | None
    is_returned: bool
    write: Write | None

    @property
    def wants_result(self) -> bool:
        return self.is_returned and returns_result(self.text)

    @property
    def digest(self) -> str:
        return digest_of(self.text, self.store)


def plan(texts: Sequence[str], store: Store | None, returned: range) -> list[Planned]:
    """The statements of a task, from their texts. The result of the last one goes to ``store``."""
    planned: list[Planned] = []
    for position, text in enumerate(texts):
        kind, number = kind_of(text), sum(one.write is not None for one in planned)
        target = store if position == len(texts) - 1 else None
        is_write = kind is StatementKind.WRITE
        write = Write(number, position, digest_of(text, target)) if is_write else None
        planned.append(Planned(position, text, kind, target, position in returned, write))
    return planned


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


class SqlAttempt(Attempt):
    """Executes a task's statements in a session, on one WebSocket. A kill cancels the statement, and stops a session of
    the task's own.
    """

    task: WherobotsTask[SqlAttempt]
    memory: TaskMemory
    _writes: Writes

    def __init__(
        self,
        task: WherobotsTask[SqlAttempt],
        context: Context,
        planned: list[Planned],
        *,
        geometry: str,
        fails_if_cut: bool,
        read: Callable[[ResultSet], Any],
        may_hand_over: bool,
    ) -> None:
        super().__init__(task, task.hook, context, may_defer=task.deferrable)
        self.values: list[Any] = []
        """What the statements have returned so far that the task returns."""
        self.descriptions: list[Any] = []
        self.last: StatementOutcome | None = None
        """The outcome of the last statement."""
        self.session_id = ""
        """The session's id, as soon as it is known."""
        self._planned = planned
        self._geometry = geometry
        self._fails_if_cut = fails_if_cut
        self._read = read
        self._session: SqlSession | None = None
        self._may_hand_over = may_hand_over
        self._connection: Connection | None = None
        self._left_running = ""
        """The statement that a trigger no longer follows, until this worker does."""
        self._stop: Flow[..., object] | None = None
        """The flow that stops the task's own session, from the seconds that it may take; None if it has none."""
        self._sessions = 1
        self._index = 0
        self._seconds = 0.0
        self._rows: int | None = None

    # A kill

    def _end_all(self) -> bool:
        """Cancel the statement that runs, then stop the session."""
        share = WORKER_CANCEL_BUDGET_SECONDS / (1 if self._stop is None else 2)
        if self._connection is not None and self._connection.running is not None:
            self._connection.cancel_running(share)
            self._left_running = ""
        self.cancel_left_running(share)
        self.stop_own_session(share)
        return True

    def cancel_left_running(self, budget_seconds: float | None = None) -> None:
        """Cancel a statement that no trigger follows any more, and this worker does not follow yet."""
        if not self._left_running:
            return
        try:
            budget = budget_seconds or self._budget_seconds
            self._run_on_new_session(cancel_in_session, self.session_id, self._left_running, budget)
            self._left_running = ""
        except Exception as error:
            # It must not hide why the task fails.
            self.note(logging.WARNING, f"Statement {self._left_running} was not cancelled: {reason_of(error)}")

    @property
    def _budget_seconds(self) -> float:
        # A kill may have used the other half before the task knew what there is to end.
        return WORKER_CANCEL_BUDGET_SECONDS / 2 if self.was_killed else CANCEL_BUDGET_SECONDS

    def note_ends(self) -> None:
        """Note in the journal what a kill has cancelled."""
        if self._connection is not None:
            self._connection.note_ends()

    def stop_own_session(self, budget_seconds: float | None = None) -> None:
        """Stop the task's own session, if it has one."""
        if self._stop is not None:
            self._run_on_new_session(self._stop, budget_seconds=budget_seconds or self._budget_seconds)
            # Only now: if this is interrupted, another kill repeats it.
            self._stop = None

    def _own(self, session_id: str, *, is_new: bool = True) -> None:
        """Let a kill stop a session that nobody else has. ``is_new``: the service may not know it yet."""
        seconds = APPEARANCE_SECONDS if is_new else 0.0
        self._stop = partial(stop_session, session_id=session_id, appearance_seconds=seconds, own_key=self.own_key)

    # What the task remembers

    def begin(self) -> None:
        """Read what the task remembers of its earlier tries."""
        self._remember_with(TaskMemory.begin(self.context, self.log, if_missing=Answer.NOTHING))

    def resume(self, event: Mapping[str, Any] | None, stored: Mapping[str, Any]) -> DeferredSql:
        """Read what the try has kept, and remember what it knew."""
        kept = DeferredSql.from_kwargs(stored)
        if kept.memory is None:
            self.begin()
        else:
            self._remember_with(TaskMemory.resume(self.context, self.log, kept.memory))
        if event and event.get("reason"):
            text = "The triggerer ended its wait for the SQL session (%s); looking at it on this worker"
            self.log.info(text, words.quoted(str(event["reason"])))
        self.session_id = kept.session_id or self.pull(SQL_SESSION_ID_KEY) or ""
        if self.session_id and self.memory.now.session_id == self.session_id:
            self._own(self.session_id)
        self._sessions = kept.sessions
        if event and event.get("state") == StatementState.RUNNING.value:
            self._left_running = event["execution_id"]
        return kept

    def _remember_with(self, memory: TaskMemory) -> None:
        self.memory, now = memory, memory.now
        self._writes = writes_of(memory, self.context, {}, self.task.retries or 0)
        if now.has_ended_writes or self.context["ti"].try_number == 1:
            return
        # Airflow 3.4 may have discarded what was remembered before the clear: its ids are computed.
        computed = self._writes.this_try.ids_of_earlier_rounds([one.write for one in self._planned if one.write])
        left = {"": list(computed)}
        for execution_id, session_id in now.writes_left:
            left.setdefault(session_id, []).append(execution_id)
        self._writes.left = left

    @staticmethod
    def event_of_running(execution_id: str, error: object) -> dict[str, Any]:
        """The event in the place of a failed trigger's: this worker follows the statement."""
        return StatementOutcome(StatementState.RUNNING, execution_id, str(error)).to_event()

    def _kept(self, **more: Any) -> dict[str, Any]:
        return {"memory": self.memory.now.to_json(), **more}

    # The session

    @property
    def own_key(self) -> str:
        """The key of a session that only this task uses."""
        name = default_run_name(self.context["ti"].dag_id, self.task.task_id)
        return durable_run_name(name, self.memory.now.identity)

    def request_session(self, request: SessionRequest, quota: QuotaWait, *, is_own: bool) -> None:
        """Request a session. After a long wait for quota the task resumes."""
        # A kill may come before the response, which has the session's id.
        is_found_again = is_own and request.is_repeatable
        self._stop = partial(stop_requested_session, request=request) if is_found_again else None
        with self._failures():
            response = self.run(request_session_with_quota, request, quota, self.task.max_outage_seconds)
        if isinstance(response, AwaitingQuota):
            self.defer_for_quota(response, "execute_complete", self._kept())
        self.session_id = response.id
        if is_own and not response.fallback:
            self._own(response.id)
            self.memory.remember(self.memory.now.has_session(response.id))
        else:
            self._stop = None

    def announce_session(self) -> None:
        """Push the id of the session, and the link to it."""
        url = workload_history_url(self.task.hook.settings.endpoint.base_url)
        self.push(SQL_SESSION_ID_KEY, self.session_id)
        self.push_address(WherobotsSqlSessionLink(), url)
        self.log.info("SQL session %s; sessions are listed at %s", words.short(self.session_id), url)

    def session_wait(self, timeout: float, stored: Mapping[str, Any] | None = None) -> SessionWait:
        """The wait for a session, from now on, or the rest of one that was ``stored``."""
        if stored is None:
            return SessionWait(timeout, self.task.max_outage_seconds, self.deadline, time.time())
        wait = SessionWait.from_kwargs(stored)
        # The trigger has been patient already.
        return replace(wait, max_outage_seconds=min(wait.max_outage_seconds, USED_OUTAGE_SECONDS))

    def await_session(self, wait: SessionWait) -> SqlSession:
        """Wait for the session on this worker."""
        with self._failures():
            return self.run(await_session, self.session_id, wait)

    def await_session_or_defer(self, wait: SessionWait) -> SqlSession:
        """Wait for the session: on this worker, or in the triggerer if the task may be deferred and the session is not
        ready yet.
        """
        if not self.may_defer:
            return self.await_session(wait)
        with self._failures():
            try:
                return self.run(await_session, self.session_id, replace(wait, timeout=0.0))
            except SessionWaitTimeoutError as error:
                if error.at_deadline:
                    raise
            except SessionFailedError:
                raise
            except WherobotsApiError as error:
                # The trigger is patient.
                self.log.warning("%s", error)
        self.log.info("Deferring the task: the triggerer waits for SQL session %s", words.short(self.session_id))
        carried = wait.to_kwargs()
        self.defer(
            WherobotsSqlTrigger(self.task.wherobots_conn_id, self.session_id, carried, own_key=self._key_to_stop),
            "execute_complete",
            self._kept(session_id=self.session_id, wait=carried, sessions=self._sessions),
            time.time() + wait.left(0.0, time.time()),
        )

    def may_request_another(self, error: WherobotsSqlSessionException) -> bool:
        """Whether the try requests another session after one has failed, to which nothing was sent. A retry does so,
        but below Airflow 3.3 no retry could know that nothing was sent.
        """
        no_retry_knows = not self.memory.is_kept and any(one.write for one in self._planned)
        if not no_retry_knows or self._sessions >= MAX_SESSIONS or not isinstance(error.__cause__, SessionEndedError):
            return False
        self.log.warning("%s. Nothing was sent to it: requesting another session", error)
        self._sessions += 1
        return True

    @property
    def _key_to_stop(self) -> str:
        """The key of the task's own session, if a kill stops it; else empty."""
        return "" if self._stop is None else self.own_key

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The context in which errors of the API become exceptions of the task."""
        try:
            yield
        except SessionWaitTimeoutError as error:
            if error.at_deadline:
                raise self.timed_out(error) from error
            raise WherobotsSqlSessionException(str(error)) from error
        except SessionFailedError as error:
            raise WherobotsSqlSessionException(str(error)) from error
        except QuotaNotFreedError as error:
            raise self.no_quota(error) from error
        except WherobotsApiError as error:
            advice = f". {words.CHECK_KEY}" if error.key_may_change else ""
            raise kind_of_call(error)(f"There is no SQL session: {error}{advice}") from error

    def _connected(self) -> Connection:
        """The connection to the task's session."""
        if self._connection is None:
            return self._connect(self.await_session(SessionWait.of_used(time.time())))
        return self._connection

    def _connect(self, session: SqlSession) -> Connection:
        self._session = session
        if self._stop is not None:
            self._own(session.id, is_new=False)
        if self._connection is None:
            self._connection = Connection(
                self.open(),
                self._run_on_new_session,
                self.note,
                geometry=self._geometry,
                writes=self._writes,
                max_outage_seconds=self.task.max_outage_seconds,
            )
        self._connection.connect(session)
        return self._connection

    def _options(self, connection: Connection, **more: Any) -> StatementOptions:
        return replace(connection.options(), deadline=self.deadline, **more)

    # The statements

    def execute_all(self, session: SqlSession) -> None:
        """Find out about all that earlier tries may have sent, before anything is executed. Then execute the rest."""
        connection = self._connect(session)
        connection.end_earlier_rounds()
        options = self._options(connection, hand_over_after=self._hand_over_after)
        writes = [one.write for one in self._planned if one.write is not None]
        if (edited := self._writes.edited([write.digest for write in writes])) is not None:
            self._fail_unknown(edited)
        for write in writes:
            self._index = write.position
            found = self._look(connection, write, options)
            if found is None:
                break
            if found.state is StatementState.RUNNING:
                self._hand_over(found, index=OF_EARLIER_TRY)
            if not found.is_earlier:
                self._take(found)
        self._index = 0
        self._execute_rest()

    def take_back(self, event: Mapping[str, Any], kept: DeferredSql) -> None:
        """Take the outcome of a statement that a trigger has followed, and execute the rest."""
        outcome = StatementOutcome.from_event(event)
        index = self._place_of(outcome.execution_id, kept)
        if index is None:
            self._writes.ended(outcome)
            self.execute_all(self.await_session(SessionWait.of_used(time.time())))
            return
        self._index, self._seconds = index, kept.seconds
        # With results before it, the task would not have deferred.
        absent = [None] * sum(statement.is_returned for statement in self._planned[:index])
        self.values, self.descriptions = list(absent), list(absent)
        if outcome.state is StatementState.RUNNING or self._must_fetch(outcome):
            outcome = self._follow(outcome)
        self._writes.ended(outcome)
        self._take(self._again_if_forgotten(outcome))
        self._execute_rest()

    def _look(
        self, connection: Connection, write: Write, options: StatementOptions, *, wants_result: bool = False
    ) -> StatementOutcome | None:
        """What earlier tries have made of a write; None if it is to be executed."""
        try:
            return connection.look(write, options, wants_result=wants_result)
        except OutcomeUnknownError as error:
            self._fail_unknown(error.unknown)

    def _fail_unknown(self, unknown: OutcomeUnknown) -> NoReturn:
        self.last = StatementOutcome(StatementState.UNKNOWN, unknown.execution_id)
        self._summarize()
        # The store could not be read. The next try may read it, and then knows.
        may_know = self.memory.now.past is Past.UNKNOWN and self.context.get("task_state_store") is not None
        is_final = self.this_try.is_last or not may_know
        session_id = unknown.session_id or self.session_id
        made = outcome_unknown(self._name(), unknown.why, unknown.execution_id, session_id, is_final=is_final)
        raise made if may_know else without_retry(made)

    def _execute_rest(self) -> None:
        while self._index < len(self._planned):
            self._take(self._again_if_forgotten(self._execute()))
        self._summarize()

    def _execute(self, execution_id: str = "") -> StatementOutcome:
        """Execute a statement, unless an earlier try has. Its outcome ``is_earlier`` then."""
        statement, connection = self._statement, self._connected()
        options = self._options(connection, hand_over_after=self._hand_over_after)
        if statement.write is not None:
            is_stored = statement.store is not None and returns_result(statement.text)
            wants_result = statement.wants_result or is_stored
            found = self._look(connection, statement.write, options, wants_result=wants_result)
            if found is not None:
                return found
        execution_id = execution_id or self._id_of(statement)
        self.push(SQL_EXECUTION_ID_KEY, execution_id)
        number, count, text = self._index + 1, len(self._planned), masked(statement.text)
        self.log.info("Executing statement %d of %d [%s]: %s", number, count, execution_id, text)
        message = Statement(execution_id, statement.text, statement.store, self._geometry, statement.wants_result)
        outcome = connection.send(message, options, statement.write)
        if outcome.state is StatementState.RUNNING:
            self._hand_over(outcome, index=self._index)
        return outcome

    def _id_of(self, statement: Planned) -> str:
        """The id under which this try executes a statement."""
        return self._writes.this_try.id_of(statement.position, statement.digest)

    def _again_if_forgotten(self, outcome: StatementOutcome) -> StatementOutcome:
        """Execute a read once more if the session, which executes many at once, has forgotten its result."""
        is_first = outcome.execution_id == self._id_of(self._statement)
        if not (
            outcome.state is StatementState.RESULT_FORGOTTEN and is_first and self._statement.kind is StatementKind.READ
        ):
            return outcome
        self.log.warning("%s: %s; executing it again", self._name(), outcome.message)
        return self._execute(str(uuid4()))

    @property
    def _hand_over_after(self) -> float | None:
        """When the triggerer follows a statement; None if it cannot, or would lose results that this process holds."""
        holds_results = any(value is not None for value in self.values)
        return HAND_OVER_SECONDS if self.may_defer and self._may_hand_over and not holds_results else None

    def _hand_over(self, outcome: StatementOutcome, *, index: int) -> NoReturn:
        """Let the triggerer attach to a statement. The session cancels it if that does not happen in two minutes."""
        store, options = self._statement.store, self._options(self._connected(), started_at=outcome.started_at)
        self.log.info("Deferring the task: the triggerer follows statement %s", outcome.execution_id)
        if self._statement.write is not None:
            options = replace(options, forgotten_seconds=FORGOTTEN_WRITE_SECONDS)
        self.defer(
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
            self.deadline,
        )

    def _place_of(self, execution_id: str, kept: DeferredSql) -> int | None:
        """The place of the statement that a trigger has followed; None for one of an earlier try. Its text may be
        rendered differently now. On 3.0 the trigger may be that of an earlier try.
        """
        index, this = kept.index, self._writes.this_try
        if index == OF_EARLIER_TRY:
            return None
        if index is None:
            which = [(one.position, one.digest) for one in self._planned]
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
        lost = StatementState.UNKNOWN if is_running else StatementState.NO_RESULT
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
        if found.state in (StatementState.RESULT_FORGOTTEN, StatementState.RESULT_TOO_LARGE):
            lost = found.state
        return replace(outcome, state=lost, message=f"it succeeded, but its result was not fetched: {found.message}")

    def _take(self, outcome: StatementOutcome) -> None:
        """Keep the result of a statement that has succeeded, otherwise fail the task."""
        statement = self._statement
        self.last, self._left_running = outcome, ""
        if not outcome.is_earlier:
            region = self._session.region if self._session else None
            self.emit(of_statement(outcome.seconds, outcome.state.value, region, self.metric_tags))
            self._seconds += outcome.seconds
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize()
            raise failure(
                outcome,
                self._name(),
                self.session_id,
                self.execution_timeout,
                may_repeat=statement.write is None,
                is_last=self.this_try.is_last,
            )
        when = "an earlier attempt; not executing it again" if outcome.is_earlier else words.duration(outcome.seconds)
        self.log.info("%s succeeded in %s", self._name(), when)
        if statement.is_returned:
            found = ResultSet(self.log.log, fails_if_cut=self._fails_if_cut)
            found.take(outcome, is_read=statement.kind is StatementKind.READ)
            self._rows = found.rowcount if found.description else None
            self.values.append(self._read(found))
            self.descriptions.append(found.description)
        self._index += 1

    def stored_address(self, last: StatementOutcome, store: Store) -> str | None:
        """The address of the last statement's stored result; None if it has no rows."""
        if last.result_uri is None:
            if last.is_location_lost:
                raise WherobotsSqlException(
                    "The last statement has succeeded and its result is stored, but the session no longer knows where"
                )
            self.log.info("The result has no rows, so nothing was stored: the task returns None")
            return None
        size = "" if last.size is None else f" ({words.size(last.size)})"
        if store.presigned_url:
            # Everyone who knows the URL can read the file.
            mask_secret(last.result_uri)
            self.log.info("The result is stored%s; its presigned URL is what the task returns", size)
        else:
            self.log.info("The result is stored at %s%s", words.quoted(last.result_uri), size)
        return last.result_uri

    def _summarize(self) -> None:
        last, session = self.last, self._session
        summary = SqlSummary(
            state="unknown" if last is None else last.state.value,
            session_id=self.session_id,
            execution_id=None if last is None else last.execution_id,
            region=(session.region or None) if session else None,
            version=(session.version or None) if session else None,
            statements=self._index,
            seconds=round(self._seconds, 3),
            rows=self._rows,
            stored_bytes=None if last is None else last.size,
        )
        self.log.info("%s", summary.describe())
        self.push(SQL_SUMMARY_KEY, summary.to_json())

    @property
    def _statement(self) -> Planned:
        return self._planned[self._index]

    def _name(self) -> str:
        """The statement as messages name it."""
        return f"Statement {self._index + 1} of {len(self._planned)} ({masked(self._statement.text, SHOWN_CHARS)})"
