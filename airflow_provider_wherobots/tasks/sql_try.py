"""One try of the operator that executes SQL.

A try gets a session, decides what it does with each statement (``flows/sql/rule.py``), and executes the rest, one after
the other. A long statement is handed to the triggerer and taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from airflow_provider_wherobots.api.sql.sessions import SessionRequest, SqlSession
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
from airflow_provider_wherobots.flows.sql import rule
from airflow_provider_wherobots.flows.sql.cancel import end_earlier
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.rule import Planned, ThisTry
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionWait
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions
from airflow_provider_wherobots.flows.sql.summary import SqlSummary
from airflow_provider_wherobots.hooks.sql_failures import failure, in_doubt
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.wherobots_task import argument_errors
from airflow_provider_wherobots.runs.measurements import of_statement
from airflow_provider_wherobots.runs.memory import Answer, Past, StatementMemory
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.sql.parameters import read_statements
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, masked, returns_result
from airflow_provider_wherobots.stored import StoredOptions
from airflow_provider_wherobots.tasks.memory import TaskMemory
from airflow_provider_wherobots.tasks.sql_results import SqlResults
from airflow_provider_wherobots.tasks.sql_session_try import RESUMED_OUTAGE_SECONDS, SqlSessionTry
from airflow_provider_wherobots.triggers.sql_statement import WherobotsSqlStatementTrigger
from airflow_provider_wherobots.xcoms import SQL_EXECUTION_ID_KEY, SQL_SUMMARY_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_task import SqlTask
    from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt

HAND_OVER_SECONDS = 30.0
"""How long a statement may hold a worker before the triggerer follows it."""
GRACE_SECONDS = 120.0
"""How long a session executes a statement on whose connection nobody is: the time to hand it over."""
SHOWN_CHARS = 120
"""How many characters of a statement a message shows."""


@dataclass(frozen=True, slots=True)
class DeferredSql(StoredOptions):
    """What a try keeps while it is deferred. All of it is missing in ``dag.test()``, and after a failed trigger.

    :param memory: what the task remembers, as a document. Without it the store is read.
    :param session_id: id of the session; empty as long as there is none.
    :param quota: the wait for quota, as long as there is no session.
    :param wait: the wait for the session, as long as it starts.
    :param index: the place of the statement that is followed, from 0.
    :param kinds: what kinds of statements the task has: the ``index`` counts only if it still has these.
    :param seconds: how long the statements before it took.
    """

    memory: dict[str, Any] | None = None
    session_id: str = ""
    quota: dict[str, Any] | None = None
    wait: dict[str, Any] | None = None
    index: int | None = None
    kinds: str = ""
    seconds: float = 0.0


class SqlTry(SqlSessionTry):
    """One try of a ``WherobotsSqlOperator``."""

    _memory: TaskMemory
    _this_try: ThisTry

    def __init__(self, task: SqlTask, context: Context, attempt: SqlAttempt) -> None:
        super().__init__(task, context, attempt)
        self._planned = _plan(task)
        self._results = SqlResults(task)
        self._session: SqlSession | None = None
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
            return self._execute_all(self.get_ready(self.session_id, wait))

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
        wait = self.resumed(event, kept.session_id, kept.wait)
        if self.session_id and self._memory.now.session_id == self.session_id:
            self.attempt.own(self.session_id)
        return wait

    def _remember_with(self, memory: TaskMemory) -> None:
        ti = self.context["ti"]
        self._memory = memory
        self._this_try = ThisTry(
            memory.now.identity.suffix,
            ti.max_tries,
            ti.try_number,
            starts_before(ti) + memory.now.repeats,
            rule.begins_round(ti.try_number, ti.max_tries, self.task.retries or 0),
        )

    def _kept(self, **more: Any) -> dict[str, Any]:
        return {"memory": self._memory.now.to_json(), **more}

    def _learn(self, execution_id: str, session_id: str, outcome: str) -> None:
        """Remember what is known of a write."""
        statement = self._statement
        known = StatementMemory(statement.position, execution_id, session_id, outcome, statement.digest)
        self._memory.remember(self._memory.now.with_statement(known))

    def _remember_kill(self) -> None:
        """Remember what is known of the writes that a kill has cancelled."""
        ended = {} if self.attempt.connection is None else self.attempt.connection.ended
        for known in self._memory.now.statements:
            if known.execution_id in ended:
                word = rule.SUCCEEDED if ended[known.execution_id] else rule.FAILED
                self._memory.remember(self._memory.now.with_statement(replace(known, outcome=word)))

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The time in which the try works. What it has come to is remembered."""
        try:
            with self.working():
                yield
        except BaseException as error:
            if self.attempt.was_killed:
                self._remember_kill()
            elif isinstance(error, Exception) and not self._is_deferring and not self.is_retried_after(error):
                self._memory.remember(self._memory.now.over())
            raise
        self.attempt.stop_own_session()
        self._memory.remember(self._memory.now.done(self.context["ti"].try_number))

    # The session

    def _execute_in_session(self, quota: Mapping[str, Any] | None) -> Any:
        """Request a session, unless one is given, and execute the statements in it once it is ready."""
        given, wait = self.task.checked_session_id(), self.new_wait()
        if given is not None:
            self.session_id, wait = given, replace(wait, appearance_seconds=0.0)
        else:
            is_own = self.task.makes_own_session
            request = self._own_request() if is_own else self.task.session_request(self.task.session_key)
            self.request(request, quota, self._kept(), is_own=is_own)
            if self.attempt.stop is not None:
                self._memory.remember(self._memory.now.has_session(self.session_id))
        self.announce()
        return self._execute_all(self.get_ready_or_defer(wait, self._kept()))

    def _own_request(self) -> SessionRequest:
        """The request for a session with a key that only this task has. Sent again, it finds the same session."""
        name = default_run_name(self.context["ti"].dag_id, self.task.task_id)
        return replace(self.task.session_request(durable_run_name(name, self._memory.now.identity)), force_new=False)

    def _connected(self, session_id: str = "") -> Connection:
        """The connection to the task's session, or to another one."""
        session_id = session_id or self.session_id
        connection = self.attempt.connection
        if connection is None or connection.session_id != session_id:
            # It has executed statements already.
            wait = SessionWait(RESUMED_OUTAGE_SECONDS, RESUMED_OUTAGE_SECONDS, None, time.time(), 0.0)
            connection = self._connect(self.get_ready(session_id, wait))
        return connection

    def _connect(self, session: SqlSession) -> Connection:
        if self.attempt.connection is None:
            self.attempt.connection = Connection(
                nullcontext(self.attempt.driver),
                self.attempt.note,
                geometry=self.task.geometry,
                max_outage_seconds=self.task.max_outage_seconds,
            )
        if session.id == self.session_id:
            self._session = session
            if self.attempt.stop is not None:
                self.attempt.own(session.id, is_new=False)
        self.attempt.connection.connect(session)
        return self.attempt.connection

    def _options(self, connection: Connection) -> StatementOptions:
        return replace(connection.options(), deadline=self.deadline)

    # What earlier tries have sent

    def _end_earlier_rounds(self) -> None:
        """Cancel what an earlier round has left running. The task fails if it may still run."""
        if self._memory.now.has_ended_statements:
            return
        left = rule.left_running(self._planned, self._memory.now, self._this_try, self.session_id)
        for session_id, execution_ids in left.items():
            try:
                connection = self._connected(session_id)
            except WherobotsSqlSessionException as error:
                if isinstance(error.__cause__, SessionEndedError):
                    continue
                raise
            if running := self.attempt.run(end_earlier(execution_ids, connection.url)):
                raise WherobotsUnavailableException(
                    f"The task was cleared, but its statement {running} could not be cancelled, and may still run in "
                    f"SQL session {session_id}. This try has executed nothing: clear the task again"
                )
        self._memory.remember(self._memory.now.ended_statements())

    def _look_back(self) -> None:
        """Find out about all that earlier tries may have sent. Nothing is executed before."""
        for statement in self._planned:
            self._index = statement.position
            self._decide()
        if self._memory.now.past is Past.UNKNOWN:
            self._memory.remember(self._memory.now.statements_known())
        self._index = 0

    def _decide(self) -> rule.Execute | rule.Skip:
        """What this try does with the statement. It fails if that is in doubt."""
        verdict = rule.decide(self._statement, self._planned, self._memory.now, self._this_try)
        if isinstance(verdict, rule.Ask):
            verdict = self._ask(verdict)
        if isinstance(verdict, rule.Doubt):
            self._fail_in_doubt(verdict)
        return verdict

    def _ask(self, asked: rule.Ask) -> rule.Verdict:
        """Ask a session about executions of earlier tries, and follow one that still runs."""
        session_id = asked.session_id or self.session_id
        try:
            connection = self._connected(session_id)
        except WherobotsSqlSessionException as error:
            return rule.Doubt(str(error), asked.execution_ids[0], session_id)
        answers: list[StatementOutcome] = []
        verdict: rule.Verdict | None = None
        while verdict is None:
            answer = connection.attach(asked.execution_ids[len(answers)], self._options(connection), wants_result=False)
            if answer.state is StatementState.DEADLINE:
                self._take(answer)
            answers.append(answer)
            verdict = rule.conclude(asked, answers)
        match verdict:
            case rule.Skip(execution_id=execution_id):
                self._learn(execution_id, session_id, rule.SUCCEEDED)
            case rule.Execute(failed=execution_id) if execution_id:
                self.log.info("%s failed in an earlier try (%s); executing it again", self._name(), answers[0].message)
                self._learn(execution_id, session_id, rule.FAILED)
        return verdict

    def _fail_in_doubt(self, doubt: rule.Doubt) -> NoReturn:
        self._last = StatementOutcome(StatementState.UNKNOWN, doubt.execution_id)
        self._summarize()
        session_id = doubt.session_id or self.session_id
        if self._memory.now.past is Past.UNKNOWN and self.context.get("task_state_store") is not None:
            # The store could not be read. The next try may read it, and then knows.
            raise in_doubt(self._name(), doubt.why, doubt.execution_id, session_id, is_final=self._is_last)
        raise without_retry(in_doubt(self._name(), doubt.why, doubt.execution_id, session_id, is_final=True))

    # The statements

    def _execute_all(self, session: SqlSession) -> Any:
        self._connect(session)
        self._end_earlier_rounds()
        self._look_back()
        return self._execute_rest()

    def _execute_rest(self) -> Any:
        while self._index < len(self._planned):
            verdict = self._decide()
            if isinstance(verdict, rule.Skip):
                self._take(self._result_of(verdict), is_skipped=True)
            else:
                outcome = self._execute(self._this_try.id_of(self._statement))
                self._take(self._again_if_forgotten(outcome))
        self._summarize()
        return None if self._last is None else self._results.value(self._last)

    def _result_of(self, skip: rule.Skip) -> StatementOutcome:
        """The outcome of a statement that has succeeded before, with its result if the session still has it."""
        is_stored = self._statement.store is not None and returns_result(self._statement.text)
        if (self._statement.wants_result or is_stored) and skip.session_id in ("", self.session_id):
            connection = self._connected()
            outcome = connection.fetch(skip.execution_id, self._options(connection))
            if outcome.state is StatementState.SUCCEEDED:
                return outcome
        return StatementOutcome(StatementState.SUCCEEDED, skip.execution_id, is_location_lost=is_stored)

    def _again_if_forgotten(self, outcome: StatementOutcome) -> StatementOutcome:
        """Execute a read once more if the session, which executes many at once, has forgotten its result."""
        is_first = outcome.execution_id == self._this_try.id_of(self._statement)
        if not (outcome.is_result_forgotten and is_first and self._statement.is_read):
            return outcome
        self.log.warning("%s: %s; executing it again", self._name(), outcome.message)
        return self._execute(str(uuid4()))

    def _execute(self, execution_id: str) -> StatementOutcome:
        statement, connection = self._statement, self._connected()
        self._push(SQL_EXECUTION_ID_KEY, execution_id)
        if statement.is_write:
            sent = StatementMemory(statement.position, execution_id, self.session_id, digest=statement.digest)
            self._memory.remember(self._memory.now.with_statement(sent), "The statement was not sent")
        number, count, text = self._index + 1, len(self._planned), masked(statement.text)
        self.log.info("Executing statement %d of %d [%s]: %s", number, count, execution_id, text)
        may_hand_over = self.task.deferrable and self._outlives_hand_over and not self._results.is_holding
        options = replace(self._options(connection), hand_over_after=HAND_OVER_SECONDS if may_hand_over else None)
        message = Statement(execution_id, statement.text, statement.store, self.task.geometry, statement.wants_result)
        outcome = connection.send(message, options)
        if outcome.state is StatementState.RUNNING:
            self._hand_over(outcome, replace(self._options(connection), started_at=outcome.started_at))
        return outcome

    @property
    def _outlives_hand_over(self) -> bool:
        """Whether the session lives without a client for as long as a triggerer may take to attach."""
        limit = None if self.task.is_session_given else self.task.shutdown_after_inactive_seconds
        return limit is None or limit >= GRACE_SECONDS

    def _hand_over(self, outcome: StatementOutcome, options: StatementOptions) -> NoReturn:
        """Let the triggerer attach to a statement. The session cancels it if that does not happen in two minutes."""
        store = self._statement.store
        self.log.info("Deferring the task: the triggerer follows statement %s", outcome.execution_id)
        self._defer(
            WherobotsSqlStatementTrigger(
                self.task.wherobots_conn_id,
                outcome.execution_id,
                options.to_kwargs(),
                tells_address=store is None or not store.presigned_url,
                stops_session=self.attempt.stop is not None,
            ),
            "execute_complete",
            self._kept(session_id=self.session_id, index=self._index, kinds=self._kinds, seconds=self._seconds),
            self._defer_timeout(self.deadline),
        )

    def _take_back(self, outcome: StatementOutcome, kept: DeferredSql) -> Any:
        """Take the outcome of a statement that a trigger has followed, and continue."""
        self._index, self._seconds = self._place_of(outcome.execution_id, kept), kept.seconds
        # With results before it, the task would not have deferred.
        self._results.add_none(sum(statement.is_returned for statement in self._planned[: self._index]))
        if outcome.state is StatementState.RUNNING or self._must_fetch(outcome):
            outcome = self._follow(outcome)
        self._take(self._again_if_forgotten(outcome))
        return self._execute_rest()

    def _place_of(self, execution_id: str, kept: DeferredSql) -> int:
        """The place of the statement that a trigger has followed. Its text may be rendered differently now. On 3.0 the
        trigger may be that of an earlier try.
        """
        index, this = kept.index, self._this_try
        if index is None:
            places = [one.position for one in self._planned if execution_id in (this.id_of(one), *this.ids_before(one))]
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
        return "".join("w" if one.is_write else "r" if one.is_read else "s" for one in self._planned)

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
            if statement.is_write and (word := rule.outcome_of(outcome)):
                self._learn(outcome.execution_id, self.session_id, word)
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize()
            raise failure(
                outcome,
                self._name(),
                self.session_id,
                self._execution_timeout,
                may_repeat=not statement.is_write,
                is_last=self._is_last,
            )
        when = "an earlier try; not executing it again" if is_skipped else words.duration(outcome.seconds)
        self.log.info("%s succeeded in %s", self._name(), when)
        if statement.is_returned:
            self._results.add(outcome, is_read=statement.is_read)
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
    store, last, planned = task.checked_store(), len(texts) - 1, []
    for position, text in enumerate(texts):
        is_returned = store is None and task.fetches_results and (position == last or not task.returns_one)
        kind = kind_of(text)
        planned.append(
            Planned(
                position,
                text,
                kind is StatementKind.READ,
                kind is StatementKind.WRITE,
                wants_result=is_returned and returns_result(text),
                store=store if position == last else None,
                is_returned=is_returned,
            )
        )
    return planned
