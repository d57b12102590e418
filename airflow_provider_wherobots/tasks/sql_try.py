"""One try of the operator that executes SQL.

A try gets a session, decides what it does with each statement (``flows/sql/rule.py``), and executes the rest, one after
the other. A long statement is handed to the triggerer and taken back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql import calls
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.api.sql.session_request import OWN_INACTIVE_SECONDS, SessionRequest
from airflow_provider_wherobots.compat import Context, starts_before
from airflow_provider_wherobots.dbapi.connection import Connection
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
    without_retry,
)
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.sql import rule
from airflow_provider_wherobots.flows.sql.cancel import end_earlier
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.rule import Planned, ThisTry
from airflow_provider_wherobots.flows.sql.session import (
    APPEARANCE_SECONDS,
    SessionWait,
    stop_requested_session,
    stop_session,
)
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions
from airflow_provider_wherobots.flows.sql.summary import SqlSummary
from airflow_provider_wherobots.hooks.sql_failures import failure, in_doubt
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.wherobots_task import TRIGGER_TIMEOUT
from airflow_provider_wherobots.runs.measurements import of_statement
from airflow_provider_wherobots.runs.memory import Past, StatementMemory
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.stored import StoredOptions
from airflow_provider_wherobots.tasks.memory import TaskMemory
from airflow_provider_wherobots.tasks.sql_plan import plan
from airflow_provider_wherobots.tasks.sql_results import SqlResults
from airflow_provider_wherobots.tasks.sql_session_try import RESUMED_OUTAGE_SECONDS, SqlSessionTry
from airflow_provider_wherobots.triggers.sql_statement import WherobotsSqlStatementTrigger
from airflow_provider_wherobots.xcoms import SQL_EXECUTION_ID_KEY, SQL_SESSION_ID_KEY, SQL_SUMMARY_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.executes_sql import ExecutesSql
    from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt

HAND_OVER_SECONDS = 30.0
"""How long a statement may hold a worker before the triggerer follows it."""
GRACE_SECONDS = 120.0
"""How long a session executes a statement on whose connection nobody is: the time to hand it over."""
SETTLE_SECONDS = 5.0
"""How long a statement has to end after its trigger has failed, before it is cancelled."""
SHOWN_CHARS = 120
"""How many characters of a statement a message shows."""
LOOK_UP_SECONDS = 10.0
"""How long to look up the session of the try before, before another session is requested."""


@dataclass(frozen=True, slots=True)
class DeferredSql(StoredOptions):
    """What a try keeps while it is deferred.

    :param memory: what the task remembers, as a document. Without it, as in ``dag.test()``, the store is read.
    :param session_id: id of the session; empty as long as there is none.
    :param quota: the wait for quota, as long as there is no session.
    :param wait: the wait for the session, as long as it starts.
    :param index: the place of the statement that is followed, from 0.
    :param count: how many statements the task has.
    :param seconds: how long the statements before it took.
    """

    memory: dict[str, Any] | None = None
    session_id: str = ""
    quota: dict[str, Any] | None = None
    wait: dict[str, Any] | None = None
    index: int | None = None
    count: int | None = None
    seconds: float = 0.0


class SqlTry(SqlSessionTry["ExecutesSql"]):
    """One try of a ``WherobotsSqlOperator``."""

    _memory: TaskMemory
    _this_try: ThisTry

    def __init__(self, task: ExecutesSql, context: Context, attempt: SqlAttempt) -> None:
        super().__init__(task, context, attempt)
        self._planned = plan(task)
        self._results = SqlResults(task)
        self._session: SqlSession | None = None
        self._connection: Connection | None = None
        self._session_id = ""
        self._wait = self.new_wait()
        self._index = 0
        self._seconds = 0.0
        self._last: StatementOutcome | None = None
        # What is not executed, as it has succeeded before.
        self._skipped: dict[int, rule.Skip] = {}

    def begin(self, carried: Mapping[str, Any] | None = None) -> Any:
        """Get a session, and execute the statements in it.

        ``carried`` is what the try kept while it was deferred, if it starts over.
        """
        kept = DeferredSql.from_kwargs(carried or {})
        memory = TaskMemory.begin(self.context, self.log, job=self._job, carried=kept.memory)
        self._remember_with(memory, starts_over=carried is not None)
        with self._ending():
            self._memory.remember(self._memory.now)
            with self.attempt.open():
                self._session_id = self._own_session_of_earlier_try() or self._request_session(None)
                return self._begin_in_session()

    def resume_after_quota_wait(self, stored: Mapping[str, Any]) -> Any:
        """Request a session again. ``stored`` is what the try has kept."""
        kept = self._resume(stored)
        with self._ending(), self.attempt.open():
            self._session_id = self._request_session(kept.quota)
            return self._begin_in_session()

    def resume_in_session(self, event: Any, stored: Mapping[str, Any]) -> Any:
        """Execute the statements, after the triggerer has waited for the session."""
        kept = self._resume(stored)
        self._session_id, self._wait = self.resumed(event, kept.session_id, kept.wait)
        with self._ending():
            return self._execute_all()

    def resume_after_statement(self, event: Any, stored: Mapping[str, Any]) -> Any:
        """Continue after the statement that the triggerer has followed."""
        kept, outcome = self._resume(stored), StatementOutcome.from_event(event)
        self._session_id = kept.session_id or self._pull(SQL_SESSION_ID_KEY)
        self._wait = self._short_wait(self.deadline)
        with self._ending():
            self._go_to(self._checked_index(outcome.execution_id, kept.index, kept.count), kept.seconds)
            return self._take_back(outcome)

    def settle_after_trigger_failure(self, error: Any) -> tuple[bool, Any]:
        """Take the outcome of the statement that a trigger should have followed, and cancel it if it still runs.

        Returns whether there was a statement, and what the task returns.
        """
        session_id, execution_id = self._pull(SQL_SESSION_ID_KEY), self._pull(SQL_EXECUTION_ID_KEY)
        self._resume({})
        self._session_id, index = session_id or "", None
        if session_id and execution_id:
            index = self._index_of(execution_id)
        if index is None:
            # There was no statement, or the statements are rendered differently now.
            self._take_over_own_session()
            self._stop_own_session(is_retried=not self._is_last)
            return False, None
        with self._ending():
            self.log.warning("The trigger failed: %s", error)
            # The deadline may have passed, and the query takes a moment.
            self._wait = self._short_wait(None)
            self._go_to(index, 0.0)
            outcome = StatementOutcome(StatementState.RUNNING, execution_id)
            return True, self._settle(outcome, is_late=error == TRIGGER_TIMEOUT)

    def _begin_in_session(self) -> Any:
        self.announce(self._session_id)
        if not self.task.deferrable or self.is_ready(self._session_id, self._wait):
            return self._execute_all()
        self.defer_until_ready(self._session_id, self._wait, self._kept(), stop_on_kill=self._is_own)

    # What the task remembers

    def _resume(self, stored: Mapping[str, Any]) -> DeferredSql:
        kept = DeferredSql.from_kwargs(stored)
        if kept.memory is None:
            self._remember_with(TaskMemory.begin(self.context, self.log, job=self._job))
        else:
            self._remember_with(TaskMemory.resume(self.context, self.log, kept.memory))
        return kept

    def _remember_with(self, memory: TaskMemory, starts_over: bool = False) -> None:
        ti = self.context["ti"]
        self._memory = memory
        self._this_try = ThisTry(
            memory.now.identity.suffix,
            ti.max_tries,
            ti.try_number,
            starts_before(ti) + starts_over + memory.now.repeats,
            rule.begins_round(ti.try_number, ti.max_tries, self.task.retries or 0),
        )

    @property
    def _job(self) -> str:
        """Tells operators apart that one function executes; empty for a task of its own."""
        is_own_task = self.task.task_id == self.context["ti"].task_id
        return "" if is_own_task else f"{self.task.task_id}\x1f{self.task.sql!r}"

    def _kept(self, **more: Any) -> dict[str, Any]:
        return {"memory": self._memory.now.to_json(), **more}

    def _remember_outcome(self, outcome: StatementOutcome) -> None:
        """Remember how a write ended, if that is known."""
        statement, word = self._statement, rule.outcome_of(outcome)
        if not (statement.is_write and word):
            return
        known = self._memory.now.statement(statement.position)
        if known is None or known.execution_id != outcome.execution_id:
            self._learn(outcome.execution_id, self._session_id, word)
        else:
            # Its text may be rendered differently since it was sent.
            known = replace(known, outcome=word, digest=statement.digest)
            self._memory.remember(self._memory.now.with_statement(known))

    def _remember_kill(self) -> None:
        """Remember what is known of the writes that a kill has cancelled."""
        ended = {} if self._connection is None else self._connection.ended
        for known in self._memory.now.statements:
            if known.execution_id in ended:
                word = rule.SUCCEEDED if ended[known.execution_id] else rule.FAILED
                self._memory.remember(self._memory.now.with_statement(replace(known, outcome=word)))

    @property
    def _is_last(self) -> bool:
        """Whether no retry follows."""
        ti = self.context["ti"]
        return bool(ti.try_number > ti.max_tries)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """The time in which the try works. At its end, the session of its own is stopped, and if no retry follows, that
        is remembered.
        """
        self._take_over_own_session()
        try:
            yield
        except BaseException as error:
            if self.attempt.was_killed:
                self._remember_kill()
            if not self._is_deferring:
                is_retried = self.task.may_retry(error) and not self._is_last
                self._stop_own_session(is_retried=is_retried)
                if isinstance(error, Exception) and not (is_retried or self.attempt.was_killed):
                    self._memory.remember(self._memory.now.over())
            raise
        self._stop_own_session(is_retried=False)
        self._memory.remember(self._memory.now.done(self.context["ti"].try_number))

    # The session

    def _own_session_of_earlier_try(self) -> str:
        """The own session of the try before, if it could not stop the session."""
        session_id = self._memory.now.session_id
        if not (session_id and self.task.makes_own_session):
            return ""
        try:
            session = self.attempt.run(send(calls.get_session(session_id), LOOK_UP_SECONDS))
        except WherobotsApiError as error:
            self.log.warning("SQL session %s of an earlier try is not used: %s", session_id, error)
            return ""
        if session is None or session.has_ended:
            return ""
        self._own(session_id)
        return session_id

    def _request_session(self, quota: Mapping[str, Any] | None) -> str:
        if self.task.is_session_given:
            self._wait = replace(self._wait, appearance_seconds=0.0)
            return str(self.task.session_id).strip()
        if not self.task.makes_own_session:
            return self.request_session(self.task.session_request(self.task.session_key), quota, self._kept()).id
        request = self._own_request()
        # A kill may come before the response, which has the session's id.
        with self.attempt.starting(partial(stop_requested_session, request)):
            session = self.request_session(request, quota, self._kept())
        if not session.fallback:
            self._own(session.id)
            self._memory.remember(self._memory.now.has_session(session.id))
        return session.id

    def _own_request(self) -> SessionRequest:
        """The request for a session with a key that only this task has. Sent again, it finds the same session."""
        name = default_run_name(self.context["ti"].dag_id, self.task.task_id)
        request = self.task.session_request(durable_run_name(name, self._memory.now.identity))
        inactive = request.shutdown_after_inactive_seconds or OWN_INACTIVE_SECONDS
        return replace(request, force_new=False, shutdown_after_inactive_seconds=inactive)

    def _take_over_own_session(self) -> None:
        """Once the task has resumed, a kill stops the session that it has started for itself."""
        if self._session_id and self._memory.now.session_id == self._session_id:
            self._own(self._session_id)

    def _own(self, session_id: str) -> None:
        self._session_id = session_id
        self.attempt.stop = partial(stop_session, session_id, appearance_seconds=APPEARANCE_SECONDS)

    @property
    def _is_own(self) -> bool:
        """Whether nobody else has the session."""
        return self.attempt.stop is not None

    def _stop_own_session(self, *, is_retried: bool) -> None:
        if not self._is_own:
            return
        if self.attempt.was_killed:
            self.attempt.stop_session()
            return
        if is_retried and self._may_be_asked:
            self.log.info(
                "SQL session %s is not stopped: the retry asks it how a statement has ended", self._session_id
            )
            return
        if not self._session_id:
            # The request has failed. If a session was started all the same, a retry finds it by its key.
            self.attempt.stop = None
            return
        appearance = APPEARANCE_SECONDS if self._session is None else 0.0
        with self.attempt.open():
            self.attempt.run(stop_session(self._session_id, appearance_seconds=appearance))
        self.attempt.stop = None
        self._memory.remember(self._memory.now.has_session(""))

    @property
    def _may_be_asked(self) -> bool:
        """Whether a retry asks the session about a write: it does not know its outcome, or anything without a store."""
        is_forgotten = self.context.get("task_state_store") is None
        return any(is_forgotten or not known.outcome for known in self._memory.now.statements)

    @staticmethod
    def _short_wait(deadline: float | None) -> SessionWait:
        """The wait for a session that has executed statements already."""
        return SessionWait(RESUMED_OUTAGE_SECONDS, RESUMED_OUTAGE_SECONDS, deadline, time.time(), 0.0)

    def _get_connected(self) -> None:
        """Wait for the session, and connect to it."""
        self._session = self.get_ready(self._session_id, self._wait)
        self._connect(self._session)

    def _connect(self, session: SqlSession) -> None:
        if self.attempt.connection is None:
            self._connection = self.attempt.connection = Connection(
                nullcontext(self.attempt.driver),
                self.attempt.note,
                geometry=self.task.geometry,
                max_outage_seconds=self._wait.max_outage_seconds,
            )
        self.attempt.connection.connect(session)

    @property
    def _connected(self) -> Connection:
        """The connection, between its opening and the end of the attempt."""
        if self.attempt.connection is None:
            raise RuntimeError("the try is not connected")
        return self.attempt.connection

    def _reconnect(self, outcome: StatementOutcome) -> None:
        """Connect again to the session that has executed a statement."""
        try:
            self._get_connected()
        except WherobotsTaskKilledException:
            raise
        except WherobotsException as error:
            is_running = outcome.state is StatementState.RUNNING
            state = StatementState.UNKNOWN if is_running else StatementState.GAVE_UP
            what = "its session cannot be reached" if is_running else "it succeeded, but its result cannot be fetched"
            self._take(replace(outcome, state=state, message=f"{what}: {error}"))

    @property
    def _url(self) -> str:
        return "" if self._session is None else self._session.socket_url

    # What earlier tries have sent

    def _end_earlier_rounds(self) -> None:
        """Cancel what an earlier round has left running. The task fails if it may still run."""
        if self._memory.now.has_ended_statements:
            return
        left = rule.left_running(self._planned, self._memory.now, self._this_try, self._session_id)
        running = self.attempt.run(end_earlier(left, self._url))
        if running:
            raise WherobotsUnavailableException(
                f"The task was cleared, but its statement {running} could not be cancelled, and may still run in SQL "
                f"session {self._session_id}. This try has executed nothing: clear the task again"
            )
        self._memory.remember(self._memory.now.ended_statements())

    def _look_back(self) -> None:
        """Find out which of the statements that are left are not executed. Nothing is executed before."""
        begin = self._index
        for statement in self._planned[begin:]:
            self._index = statement.position
            verdict = rule.decide(statement, self._planned, self._memory.now, self._this_try)
            if isinstance(verdict, rule.Ask):
                verdict = self._ask(verdict)
            match verdict:
                case rule.Skip():
                    self._skipped[statement.position] = verdict
                case rule.Doubt():
                    self._fail_in_doubt(verdict)
        if self._memory.now.past is Past.UNKNOWN:
            self._memory.remember(self._memory.now.statements_known())
        self._index = begin

    def _ask(self, asked: rule.Ask) -> rule.Verdict:
        """Ask a session about executions of earlier tries, and follow one that still runs."""
        here, session_id = self._session, asked.session_id or self._session_id
        if session_id != self._session_id:
            try:
                self._session = self.get_ready(session_id, self._short_wait(self.deadline))
                self._connect(self._session)
            except WherobotsSqlSessionException as error:
                return rule.Doubt(str(error), asked.execution_ids[0], session_id)
        answers: list[StatementOutcome] = []
        verdict: rule.Verdict | None = None
        while verdict is None:
            answers.append(self._ask_about(asked.execution_ids[len(answers)], session_id))
            verdict = rule.conclude(asked, answers)
        if here is not None and self._session is not here:
            self._session = here
            self._connect(here)
        match verdict:
            case rule.Skip(execution_id=execution_id):
                self._learn(execution_id, session_id, rule.SUCCEEDED)
            case rule.Execute(failed=execution_id) if execution_id:
                self.log.info(
                    "%s has failed in an earlier try, and is executed again: %s", self._name(), answers[0].message
                )
                self._learn(execution_id, session_id, rule.FAILED)
        return verdict

    def _ask_about(self, execution_id: str, session_id: str) -> StatementOutcome:
        options = replace(self._options(), session_id=session_id)
        outcome = self._connected.attach(execution_id, options, wants_result=False)
        if outcome.state is StatementState.DEADLINE:
            self._take(outcome)
        return outcome

    def _learn(self, execution_id: str, session_id: str, outcome: str) -> None:
        statement = self._statement
        known = StatementMemory(statement.position, execution_id, session_id, outcome, statement.digest)
        self._memory.remember(self._memory.now.with_statement(known))

    def _fail_in_doubt(self, doubt: rule.Doubt) -> NoReturn:
        self._last = StatementOutcome(StatementState.UNKNOWN, doubt.execution_id)
        self._summarize()
        session_id = doubt.session_id or self._session_id
        if self._memory.now.past is Past.UNKNOWN and self.context.get("task_state_store") is not None:
            # The store could not be read. The next try may read it, and then knows.
            raise in_doubt(self._name(), doubt.why, doubt.execution_id, session_id, is_final=self._is_last)
        raise without_retry(in_doubt(self._name(), doubt.why, doubt.execution_id, session_id, is_final=True))

    # The statements

    def _execute_all(self) -> Any:
        with self.attempt.open():
            self._get_connected()
            self._end_earlier_rounds()
            return self._execute_rest()

    def _execute_rest(self) -> Any:
        self._look_back()
        while self._index < len(self._planned):
            if (skip := self._skipped.get(self._index)) is not None:
                self.log.info("%s has succeeded in an earlier try, and is not executed again", self._name())
                self._take(self._result_of(skip), is_skipped=True)
            else:
                self._take(self._again_if_forgotten(self._execute(self._this_try.id_of(self._statement))))
        return self._finish()

    def _result_of(self, skip: rule.Skip) -> StatementOutcome:
        """The outcome of a statement that has succeeded before, with its result if the session still has it."""
        if self._statement.wants_result and skip.session_id in ("", self._session_id):
            outcome = self._connected.fetch(skip.execution_id, self._options())
            if outcome.state is StatementState.SUCCEEDED:
                return outcome
        return StatementOutcome(StatementState.SUCCEEDED, skip.execution_id)

    def _again_if_forgotten(self, outcome: StatementOutcome) -> StatementOutcome:
        """Execute a read again if the session, which executes many at once, has forgotten its result."""
        second = self._this_try.id_of(self._statement, is_second=True)
        is_first = outcome.execution_id != second
        if not (outcome.is_result_forgotten and is_first and self._statement.is_read):
            return outcome
        self.log.warning("%s: %s. It is executed again", self._name(), outcome.message)
        return self._execute(second)

    def _execute(self, execution_id: str) -> StatementOutcome:
        statement = self._statement
        self._push(SQL_EXECUTION_ID_KEY, execution_id)
        if statement.is_write:
            sent = StatementMemory(statement.position, execution_id, self._session_id, digest=statement.digest)
            self._memory.must_remember(self._memory.now.with_statement(sent))
        self.log.info("Executing %s as %s", self._name(limit=None), execution_id)
        may_hand_over = self.task.deferrable and self._outlives_hand_over and not self._results.is_holding
        options = replace(self._options(), hand_over_after=HAND_OVER_SECONDS if may_hand_over else None)
        message = Statement(execution_id, statement.text, statement.store, self.task.geometry, statement.wants_result)
        outcome = self._connected.send(message, options)
        if outcome.state is StatementState.RUNNING:
            self._hand_over(outcome)
        return outcome

    @property
    def _outlives_hand_over(self) -> bool:
        """Whether the session lives without a client for as long as a triggerer may take to attach."""
        limit = None if self.task.is_session_given else self.task.shutdown_after_inactive_seconds
        return limit is None or limit >= GRACE_SECONDS

    def _hand_over(self, outcome: StatementOutcome) -> NoReturn:
        """Let the triggerer attach to a statement. The session cancels it if that does not happen in two minutes."""
        store = self._statement.store
        self.log.info("%s: the triggerer follows it (the task is deferred)", self._name())
        self._defer(
            WherobotsSqlStatementTrigger(
                self.task.wherobots_conn_id,
                self._session_id,
                outcome.execution_id,
                replace(self._options(), started_at=outcome.started_at).to_kwargs(),
                tells_address=store is None or not store.presigned_url,
                stops_session=self._is_own,
            ),
            "execute_after_statement",
            self._kept(session_id=self._session_id, index=self._index, count=len(self._planned), seconds=self._seconds),
            self._defer_timeout(self.deadline),
        )

    def _take_back(self, outcome: StatementOutcome) -> Any:
        """Take the outcome of a statement that a trigger has followed, and continue."""
        is_running = outcome.state is StatementState.RUNNING
        if not (is_running or self._must_fetch(outcome)):
            self._take(outcome)
            return self._execute_left()
        with self.attempt.open():
            self._reconnect(outcome)
            if is_running:
                self.log.warning(
                    "The triggerer cannot follow the statement (%s); this worker follows it", outcome.message
                )
            outcome = self._attach(outcome, self._options()) if is_running else self._fetch(outcome)
            self._take(self._again_if_forgotten(outcome))
            return self._execute_rest()

    def _execute_left(self) -> Any:
        """Execute what comes after a statement that the triggerer has followed."""
        if self._index == len(self._planned):
            return self._finish()
        with self.attempt.open():
            self._get_connected()
            return self._execute_rest()

    def _settle(self, outcome: StatementOutcome, *, is_late: bool) -> Any:
        with self.attempt.open():
            self._reconnect(outcome)
            options = replace(self._options(), deadline=time.time() + SETTLE_SECONDS)
            if not is_late:
                options = replace(options, limit_name=f"limit of {SETTLE_SECONDS:g} seconds after its trigger failed")
            outcome = self._attach(outcome, options)
            if outcome.state is StatementState.DEADLINE and not is_late:
                is_known = outcome.wrote_nothing or outcome.has_succeeded
                state = StatementState.GAVE_UP if is_known else StatementState.UNKNOWN
                why = f"its trigger failed, and it had not ended; {outcome.message}"
                outcome = replace(outcome, state=state, message=why)
            self._take(outcome)
            return self._execute_rest()

    def _must_fetch(self, outcome: StatementOutcome) -> bool:
        if outcome.state is not StatementState.SUCCEEDED:
            return False
        store = self._statement.store
        has_secret_address = store is not None and store.presigned_url
        return self._statement.wants_result or (has_secret_address and outcome.result_uri is None)

    def _attach(self, outcome: StatementOutcome, options: StatementOptions) -> StatementOutcome:
        if outcome.started_at:
            options = replace(options, started_at=outcome.started_at)
        return self._connected.attach(outcome.execution_id, options, wants_result=self._statement.wants_result)

    def _fetch(self, outcome: StatementOutcome) -> StatementOutcome:
        """Fetch the result, or the presigned URL, of a statement that has succeeded."""
        if self._statement.wants_result:
            fetched = self._connected.fetch(outcome.execution_id, self._options())
        else:
            fetched = self._attach(outcome, self._options())
        if fetched.state is StatementState.SUCCEEDED:
            return replace(fetched, seconds=outcome.seconds)
        return replace(
            outcome,
            state=StatementState.GAVE_UP,
            message=f"it succeeded, but its result cannot be fetched: {fetched.message}",
            is_result_forgotten=fetched.is_result_forgotten,
            is_too_large=fetched.is_too_large,
        )

    def _take(self, outcome: StatementOutcome, *, is_skipped: bool = False) -> None:
        """Remember an outcome. Keep the result of a statement that has succeeded, otherwise fail the task.

        ``is_skipped``: an earlier try has executed it.
        """
        statement = self._statement
        self._last = outcome
        if not is_skipped:
            region = self._session.region if self._session else None
            self._emit(of_statement(outcome.seconds, outcome.state.value, region, self._metric_tags))
            self._seconds += outcome.seconds
            self._remember_outcome(outcome)
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize()
            raise failure(
                outcome,
                self._name(),
                self._session_id,
                self._execution_timeout,
                may_repeat=not statement.is_write,
                is_last=self._is_last,
            )
        self.log.info("%s succeeded in %s", self._name(), words.duration(outcome.seconds))
        if statement.is_returned:
            self._results.add(outcome, is_read=statement.is_read)
        self._index += 1

    def _finish(self) -> Any:
        self._summarize()
        return None if self._last is None else self._results.value(self._last)

    def _summarize(self) -> None:
        last, session = self._last, self._session
        summary = SqlSummary(
            state="unknown" if last is None else last.state.value,
            session_id=self._session_id,
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

    # Places and names

    @property
    def _statement(self) -> Planned:
        return self._planned[self._index]

    def _options(self) -> StatementOptions:
        outage = self.task.max_outage_seconds
        return StatementOptions(
            url=self._url, deadline=self.deadline, max_outage_seconds=outage, session_id=self._session_id
        )

    def _go_to(self, index: int, seconds: float) -> None:
        """Go to the statement that a trigger has followed. A task with results before it would not have deferred."""
        self._index, self._seconds = index, seconds
        self._results.add_none(sum(statement.is_returned for statement in self._planned[:index]))

    def _index_of(self, execution_id: str) -> int | None:
        """The place of the statement that this try has executed under an id; None if no statement has the id."""
        starts = (self._this_try, replace(self._this_try, start=self._this_try.start + 1))
        for statement in self._planned:
            ids = (one.id_of(statement, is_second=is_second) for one in starts for is_second in (False, True))
            if execution_id in ids:
                return statement.position
        return None

    def _checked_index(self, execution_id: str, index: int | None, count: int | None) -> int:
        """The place of the statement that a trigger has followed, if the task still has the same statements.

        Their text may be rendered differently now.
        """
        found, now = self._index_of(execution_id), len(self._planned)
        if index is None:
            index = 0 if found is None and now == 1 else found
        is_in_place = index is not None and index < now and count in (None, now) and found in (None, index)
        if is_in_place and index is not None and not self._is_moved(execution_id, self._planned[index]):
            return index
        raise WherobotsArgumentException(
            f"{self.task.task_id}: sql has changed since the task was deferred (statements now: {now}): it is "
            "unknown which ones are left, so nothing more is executed. See the task log for what was executed, then "
            "clear the task, or mark it as success"
        )

    def _is_moved(self, execution_id: str, statement: Planned) -> bool:
        """Whether the write that was executed under an id is in another place now."""
        known = [known.digest for known in self._memory.now.statements if known.execution_id == execution_id]
        elsewhere = (one.digest for one in self._planned if one is not statement)
        return bool(known) and known[0] != statement.digest and known[0] in elsewhere

    def _name(self, limit: int | None = SHOWN_CHARS) -> str:
        """The statement as messages name it. Without a limit it is as long as a log may show."""
        count, text = len(self._planned), self._statement.text
        shown = masked(text) if limit is None else masked(text, limit)
        return f"Statement {self._index + 1} of {count} ({shown})" if count > 1 else f"Statement ({shown})"
