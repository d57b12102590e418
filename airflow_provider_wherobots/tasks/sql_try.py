"""One try of the operator that executes SQL.

A try gets a session, finds out what the tries before it have done (``sql_history``), and executes the rest, one
statement after the other. A long statement is handed to the triggerer and taken back. A statement that must not be
executed twice is recorded before it is sent, and again when its outcome is known.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql import calls
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.api.sql.session_request import OWN_INACTIVE_SECONDS, SessionRequest
from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.look_back import Planned
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.record import ExecutionIds
from airflow_provider_wherobots.flows.sql.session import (
    APPEARANCE_SECONDS,
    SessionWait,
    stop_requested_session,
    stop_session,
)
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, attach, execute, fetch
from airflow_provider_wherobots.flows.sql.summary import SqlSummary
from airflow_provider_wherobots.hooks.sql_failures import failure, not_connected, unknown_of_earlier_try
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.wherobots_task import TRIGGER_TIMEOUT
from airflow_provider_wherobots.runs.measurements import of_statement
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.tasks.begun_tries import forget_earlier_try, note_begun
from airflow_provider_wherobots.tasks.memory import identity_of
from airflow_provider_wherobots.tasks.sql_history import SqlHistory
from airflow_provider_wherobots.tasks.sql_plan import plan
from airflow_provider_wherobots.tasks.sql_results import SqlResults
from airflow_provider_wherobots.tasks.sql_session_try import RESUMED_OUTAGE_SECONDS, SqlSessionTry
from airflow_provider_wherobots.triggers.sql_statement import WherobotsSqlStatementTrigger
from airflow_provider_wherobots.xcoms import (
    SQL_EXECUTION_ID_KEY,
    SQL_OWN_SESSION_KEY,
    SQL_SESSION_ID_KEY,
    SQL_SUMMARY_KEY,
)

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


class SqlTry(SqlSessionTry["ExecutesSql"]):
    """One try of a ``WherobotsSqlOperator``."""

    def __init__(self, task: ExecutesSql, context: Context, attempt: SqlAttempt, suffix: str = "") -> None:
        super().__init__(task, context, attempt)
        self._planned = plan(task)
        self._history = SqlHistory(task, context, attempt, self._planned, suffix)
        self._results = SqlResults(task)
        self._session: SqlSession | None = None
        self._session_id = ""
        self._wait = self.new_wait()
        self._index = 0
        self._seconds = 0.0
        self._last: StatementOutcome | None = None
        # The statements that are not executed again, and the try that has sent each.
        self._found: dict[int, tuple[int, StatementOutcome]] = {}

    def begin(self, *, is_resumed: bool = False) -> Any:
        """Get a session, and execute the statements in it."""
        note_begun(self._push, self.context["ti"].try_number)
        with self._ending():
            keys = self._history.begin(is_resumed=is_resumed)
            if is_resumed:
                left = [key for key in (SQL_EXECUTION_ID_KEY, SQL_SUMMARY_KEY) if self._pull(key)]
                forget_earlier_try(self._push, left)
            with self.attempt.open():
                self._session_id = self._earlier_session(keys) or self._request_session(None)
                return self._begin_in_session()

    # Airflow passes what the task stored when it deferred. `dag.test()` passes the event alone.

    @ignore_unknown
    def resume_after_quota_wait(self, quota: Mapping[str, Any], record: Collection[str] | None = None) -> Any:
        """Request a session again. ``record`` is what the try knew of the tries before it."""
        self._history.resume(record)
        with self._ending(), self.attempt.open():
            self._session_id = self._request_session(quota)
            return self._begin_in_session()

    @ignore_unknown
    def resume_in_session(
        self,
        event: Any,
        session_id: str = "",
        wait: dict[str, Any] | None = None,
        record: Collection[str] | None = None,
    ) -> Any:
        """Execute the statements, after the triggerer has waited for the session."""
        self._history.resume(record)
        self._session_id, self._wait = self.resumed(event, session_id, wait)
        with self._ending():
            return self._execute_all()

    @ignore_unknown
    def resume_after_statement(
        self,
        event: Any,
        session_id: str = "",
        index: int | None = None,
        seconds: float = 0.0,
        count: int | None = None,
        mark: str = "",
    ) -> Any:
        """Continue after the statement that the triggerer has followed: number ``index`` (from 0) of ``count``.

        The statements before it took ``seconds``. It has a ``mark`` if it must not be executed twice.
        """
        outcome = StatementOutcome.from_event(event)
        self._session_id = session_id or self._pull(SQL_SESSION_ID_KEY)
        self._wait = self._short_wait(self.deadline)
        with self._ending():
            if mark:
                self._history.resume_sent(mark)
            self._go_to(self._checked_index(outcome.execution_id, index, count), seconds)
            return self._take_back(outcome)

    def settle_after_trigger_failure(self, error: Any) -> tuple[bool, Any]:
        """Take the outcome of the statement that a trigger should have followed, and cancel it if it still runs.

        Returns whether there was a statement, and what the task returns.
        """
        session_id, execution_id = self._pull(SQL_SESSION_ID_KEY), self._pull(SQL_EXECUTION_ID_KEY)
        self._session_id, index = session_id or "", None
        if session_id and execution_id:
            index = 0 if len(self._planned) == 1 else self._index_of(execution_id)
        with self._ending():
            if index is None:
                # There was no statement, or the statements are rendered differently now.
                return False, None
            self.log.warning("The trigger failed: %s", error)
            # The deadline may have passed, and the query takes a moment.
            self._wait = self._short_wait(None)
            self._go_to(index, 0.0)
            if not self._statement.may_repeat:
                self._history.resume_sent(self._statement.mark)
            outcome = StatementOutcome(StatementState.RUNNING, execution_id)
            return True, self._settle(outcome, is_late=error == TRIGGER_TIMEOUT)

    def _begin_in_session(self) -> Any:
        self.announce(self._session_id)
        if not self.task.deferrable or self.is_ready(self._session_id, self._wait):
            return self._execute_all()
        self.defer_until_ready(self._session_id, self._wait, self._history.kept(), stop_on_kill=self._is_own)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """At the end of the try, record what a kill has cancelled, and stop the try's own session."""
        if self._session_id and self.task.makes_own_session and self._pull(f"{SQL_OWN_SESSION_KEY}{self._session_id}"):
            # The task has resumed.
            self._own(self._session_id)
        try:
            yield
        except BaseException as error:
            if self.attempt.was_killed:
                self._history.record_kill()
            if not self._is_deferring:
                self._stop_own_session(is_retried=self.task.may_retry(error) and not self._history.is_last)
            raise
        self._stop_own_session(is_retried=False)

    # The session

    def _earlier_session(self, keys: Collection[str]) -> str:
        """The own session of the try before, if its worker died before it could stop the session."""
        for key in keys:
            session_id = key.removeprefix(SQL_OWN_SESSION_KEY)
            if key == session_id or not self.task.makes_own_session:
                continue
            try:
                session = self.attempt.run(send(calls.get_session(session_id), LOOK_UP_SECONDS))
            except WherobotsApiError as error:
                self.log.warning("SQL session %s of an earlier try is not used: %s", session_id, error)
                continue
            if session is not None and not session.has_ended:
                self._take_for_own(session_id)
                return session_id
        return ""

    def _request_session(self, quota: Mapping[str, Any] | None) -> str:
        if self.task.is_session_given:
            self._wait = replace(self._wait, appearance_seconds=0.0)
            return str(self.task.session_id).strip()
        if not self.task.makes_own_session:
            return self.request_session(
                self.task.session_request(self.task.session_key), quota, self._history.kept()
            ).id
        request = self._own_request()
        # A kill may come before the response, which has the session's id.
        with self.attempt.starting(partial(stop_requested_session, request)):
            session = self.request_session(request, quota, self._history.kept())
        if not session.fallback:
            self._take_for_own(session.id)
        return session.id

    def _own_request(self) -> SessionRequest:
        """The request for a session with a key that only this task has. Sent again, it finds the same session."""
        name = default_run_name(self.context["ti"].dag_id, self.task.task_id)
        request = self.task.session_request(durable_run_name(name, identity_of(self.context)))
        inactive = request.shutdown_after_inactive_seconds or OWN_INACTIVE_SECONDS
        return replace(request, force_new=False, shutdown_after_inactive_seconds=inactive)

    def _take_for_own(self, session_id: str) -> None:
        self._own(session_id)
        self._history.record_key(f"{SQL_OWN_SESSION_KEY}{session_id}")

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
        if self._history.is_in_doubt and is_retried:
            self.log.info(
                "SQL session %s is not stopped: the retry queries it for the statement's outcome", self._session_id
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

    @staticmethod
    def _short_wait(deadline: float | None) -> SessionWait:
        """The wait for a session that has executed statements already."""
        return SessionWait(RESUMED_OUTAGE_SECONDS, RESUMED_OUTAGE_SECONDS, deadline, time.time(), 0.0)

    def _connect(self) -> None:
        self._session = self.get_ready(self._session_id, self._wait)
        try:
            self.attempt.run(connect(self._session, self._wait.max_outage_seconds))
        except WherobotsApiError as error:
            raise not_connected(error) from error

    def _reconnect(self, outcome: StatementOutcome) -> None:
        """Connect again to the session that has executed a statement."""
        try:
            self._connect()
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

    # The statements

    def _execute_all(self) -> Any:
        with self.attempt.open():
            self._connect()
            self._history.end_what_a_clear_left(self._url, self._session_id)
            self._look_back()
            return self._execute_rest()

    def _look_back(self) -> None:
        found, why = self._history.look_back(self._options())
        self._found = found.outcomes
        if found.in_doubt is None:
            return
        self._index = found.in_doubt
        execution_id = self._history.ids.of(self._history.record.earlier_tries[0], self._statement.mark)
        self._last = StatementOutcome(StatementState.UNKNOWN, execution_id)
        self._summarize()
        is_last = self._history.is_last
        raise unknown_of_earlier_try(self._name(), why, execution_id, self._session_id, is_last=is_last)

    def _execute_rest(self) -> Any:
        while self._index < len(self._planned):
            if (earlier := self._found.pop(self._index, None)) is not None:
                self.log.info("%s was sent before, and is not executed again", self._name())
                self._take(earlier[1], earlier[0])
            else:
                self._take(self._again_if_forgotten(self._execute(self._history.id_of(self._statement))))
        return self._finish()

    def _again_if_forgotten(self, outcome: StatementOutcome) -> StatementOutcome:
        """Execute a read again if the session, which executes many at once, has forgotten its result."""
        is_first = outcome.execution_id == self._history.id_of(self._statement)
        if not (outcome.is_result_forgotten and is_first and self._statement.only_reads):
            return outcome
        self.log.warning("%s: %s. It is executed again", self._name(), outcome.message)
        return self._execute(ExecutionIds.of_second(outcome.execution_id))

    def _execute(self, execution_id: str) -> StatementOutcome:
        statement = self._statement
        self._push(SQL_EXECUTION_ID_KEY, execution_id)
        if not statement.may_repeat:
            self._history.sending(statement, execution_id)
        self.log.info("Executing %s as %s", self._name(limit=None), execution_id)
        # Outcomes of earlier tries are not looked for again after a deferral.
        may_hand_over = (
            self.task.deferrable and self._outlives_hand_over and not self._results.is_holding and not self._found
        )
        options = replace(self._options(), hand_over_after=HAND_OVER_SECONDS if may_hand_over else None)
        sent = Statement(execution_id, statement.text, statement.store, self.task.geometry, statement.wants_result)
        with self.attempt.in_flight([execution_id], self._url, sends=True):
            outcome = self.attempt.run(execute(sent, options))
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
            {
                "session_id": self._session_id,
                "index": self._index,
                "seconds": self._seconds,
                "count": len(self._planned),
                "mark": "" if self._statement.may_repeat else self._statement.mark,
                "suffix": self._history.ids.identity,
            },
            self._defer_timeout(self.deadline),
        )

    def _take_back(self, outcome: StatementOutcome) -> Any:
        """Take the outcome of a statement that a trigger has followed, and continue."""
        is_running = outcome.state is StatementState.RUNNING
        if not (is_running or self._must_fetch(outcome)):
            self._take(outcome)
            if self._index == len(self._planned):
                return self._finish()
            with self.attempt.open():
                self._connect()
                return self._execute_rest()
        with self.attempt.open():
            self._reconnect(outcome)
            if is_running:
                self.log.warning(
                    "The triggerer cannot follow the statement (%s); this worker follows it", outcome.message
                )
            outcome = self._attach(outcome, self._options()) if is_running else self._fetch(outcome)
            self._take(self._again_if_forgotten(outcome))
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
        execution_id, wants_result = outcome.execution_id, self._statement.wants_result
        self._history.attaching(execution_id)
        with self.attempt.in_flight([execution_id], self._url):
            flow = attach(execution_id, options, geometry=self.task.geometry, wants_result=wants_result)
            return self.attempt.run(flow)

    def _fetch(self, outcome: StatementOutcome) -> StatementOutcome:
        """Fetch the result, or the presigned URL, of a statement that has succeeded."""
        if self._statement.wants_result:
            fetched = self.attempt.run(fetch(outcome.execution_id, self._options(), geometry=self.task.geometry))
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

    def _take(self, outcome: StatementOutcome, earlier_try: int | None = None) -> None:
        """Record an outcome. Keep the result of a statement that has succeeded, otherwise fail the task.

        ``earlier_try`` is None if this try has sent the statement.
        """
        statement = self._statement
        if earlier_try is None:
            region = self._session.region if self._session else None
            self._emit(of_statement(outcome.seconds, outcome.state.value, region, self._metric_tags))
        self._last = outcome
        self._seconds += outcome.seconds
        self._history.record_outcome(outcome, statement, earlier_try)
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize()
            raise failure(
                outcome,
                self._name(),
                self._session_id,
                self._execution_timeout,
                may_repeat=statement.may_repeat,
                is_last=self._history.is_last,
            )
        self.log.info("%s succeeded in %s", self._name(), words.duration(outcome.seconds))
        if statement.is_returned:
            self._results.add(outcome, is_read=statement.only_reads)
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
        ids = [self._history.id_of(statement) for statement in self._planned]
        return ids.index(execution_id) if execution_id in ids else None

    def _checked_index(self, execution_id: str, index: int | None, count: int | None) -> int:
        """The place of the statement that a trigger has followed, if the task still has the same statements.

        Their text may be rendered differently now.
        """
        found, now = self._index_of(execution_id), len(self._planned)
        if index is None:
            index = 0 if found is None and now == 1 else found
        if index is not None and index < now and count in (None, now) and found in (None, index):
            return index
        raise WherobotsArgumentException(
            f"{self.task.task_id}: sql has changed since the task was deferred (statements now: {now}): it is "
            "unknown which ones are left, so nothing more is executed. See the task log for what was executed, then "
            "clear the task, or mark it as success"
        )

    def _name(self, limit: int | None = SHOWN_CHARS) -> str:
        """The statement as messages name it. Without a limit it is as long as a log may show."""
        count, text = len(self._planned), self._statement.text
        shown = masked(text) if limit is None else masked(text, limit)
        return f"Statement {self._index + 1} of {count} ({shown})" if count > 1 else f"Statement ({shown})"
