"""The execution of a task's statements on a worker, and how one is handed to the triggerer and taken back."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

from airflow_provider_wherobots.exceptions import WherobotsException, WherobotsTaskKilledException
from airflow_provider_wherobots.flows.sql.look_back import Planned
from airflow_provider_wherobots.flows.sql.statement import (
    Statement,
    StatementOptions,
    StatementOutcome,
    StatementState,
    attach,
    connect,
    execute,
    fetch,
)
from airflow_provider_wherobots.operators.airflow_3_0 import remember_deferral
from airflow_provider_wherobots.operators.sql_tries import SqlTries
from airflow_provider_wherobots.operators.sql_work import SqlWork
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, push
from airflow_provider_wherobots.triggers.sql_statement import WherobotsSqlStatementTrigger
from airflow_provider_wherobots.xcoms import SQL_EXECUTION_ID_KEY

HAND_OVER_SECONDS = 30.0
"""How long a statement may hold a worker before the triggerer follows it."""
SETTLE_SECONDS = 5.0
"""How long a statement may take to tell its outcome after its trigger has failed, before it is cancelled."""


class SqlExecution(SqlTries):
    """The part of ``WherobotsSqlOperator`` that executes statements, hands one over, and fetches its result."""

    def _execute_all(self, work: SqlWork, *, is_settled: bool | None = True) -> Any:
        """Execute the statements that are left, after a look at what earlier tries have done."""
        with self._attempt.open_once():
            self._connect(work)
            self._end_what_a_clear_left(work)
            if tries := self._earlier_tries(work.context):
                self._take_from_earlier_tries(work, tries, is_settled)
            return self._execute_rest(work)

    def _resume_with(self, work: SqlWork, outcome: StatementOutcome) -> Any:
        """Go on after the statement that a trigger has followed."""
        is_running = outcome.state is StatementState.RUNNING
        if not (is_running or self._must_fetch(work.statement, outcome)):
            self._take(work, outcome)
            if work.index == len(work.planned):
                return self._finish(work)
            with self._attempt.open_once():
                self._connect(work)
                return self._execute_rest(work)
        with self._attempt.open_once():
            self._reconnect(work, outcome)
            if is_running:
                self.log.warning("The triggerer cannot follow the statement (%s); this worker does", outcome.message)
            self._take(work, self._attach(work, outcome) if is_running else self._fetch(work, outcome))
            return self._execute_rest(work)

    def _settle(self, work: SqlWork, outcome: StatementOutcome, *, is_late: bool) -> Any:
        """Take the outcome of a statement whose trigger failed, and cancel it if it still runs."""
        with self._attempt.open_once():
            self._reconnect(work, outcome)
            options = replace(work.options(), deadline=time.time() + SETTLE_SECONDS)
            if not is_late:
                options = replace(options, limit_name=f"limit of {SETTLE_SECONDS:g} seconds after its trigger failed")
            outcome = self._attach(work, outcome, options)
            if outcome.state is StatementState.DEADLINE and not is_late:
                why = f"its trigger failed, and it had not ended; {outcome.message}"
                outcome = replace(outcome, state=StatementState.GAVE_UP, message=why)
            self._take(work, outcome)
            return self._execute_rest(work)

    def _must_fetch(self, statement: Planned, outcome: StatementOutcome) -> bool:
        if outcome.state is not StatementState.SUCCEEDED:
            return False
        has_secret_address = statement.store is not None and statement.store.presigned_url
        return statement.wants_result or (has_secret_address and outcome.result_uri is None)

    def _connect(self, work: SqlWork) -> None:
        work.session = self._get_ready(work.session_id, work.wait)
        with self._session_failures():
            self._attempt.run(connect(work.session, work.wait.max_outage_seconds))

    def _reconnect(self, work: SqlWork, outcome: StatementOutcome) -> None:
        """Connect again to the session that has executed a statement."""
        try:
            self._connect(work)
        except WherobotsTaskKilledException:
            raise
        except WherobotsException as error:
            is_running = outcome.state is StatementState.RUNNING
            state = StatementState.UNKNOWN if is_running else StatementState.GAVE_UP
            what = "its session cannot be reached" if is_running else "it succeeded, but its result cannot be fetched"
            self._take(work, replace(outcome, state=state, message=f"{what}: {error}"))

    def _execute_rest(self, work: SqlWork) -> Any:
        ids, ti = self._ids(work.context), work.context["ti"]
        while work.index < len(work.planned):
            statement = work.statement
            execution_id = ids.of(ti.try_number, work.index, statement.text, statement.store)
            push(self, work.context, SQL_EXECUTION_ID_KEY, execution_id)
            if not statement.may_repeat:
                self._push_unsettled(work.context)
                work.is_writing = True
            self.log.info("Executing %s as %s", work.name(limit=None), execution_id)
            options = work.options(HAND_OVER_SECONDS if self.deferrable and not work.holds_results else None)
            with self._attempt.in_flight([execution_id], work.url):
                outcome = self._attempt.run(
                    execute(
                        Statement(execution_id, statement.text, statement.store, self.geometry, statement.wants_result),
                        options,
                    )
                )
                if outcome.state is StatementState.RUNNING:
                    self._hand_over(work, outcome)
            self._take(work, outcome)
        return self._finish(work)

    def _attach(
        self, work: SqlWork, outcome: StatementOutcome, options: StatementOptions | None = None
    ) -> StatementOutcome:
        options = options or work.options()
        if outcome.started_at:
            options = replace(options, started_at=outcome.started_at)
        with self._attempt.in_flight([outcome.execution_id], work.url):
            return self._attempt.run(
                attach(
                    outcome.execution_id,
                    options,
                    geometry=self.geometry,
                    wants_result=work.statement.wants_result,
                )
            )

    def _fetch(self, work: SqlWork, outcome: StatementOutcome) -> StatementOutcome:
        """Fetch what is missing of a statement that is known to have succeeded: its result, or its presigned URL."""
        if work.statement.wants_result:
            fetched = self._attempt.run(fetch(outcome.execution_id, work.options(), geometry=self.geometry))
        else:
            fetched = self._attach(work, outcome)
        if fetched.state is StatementState.SUCCEEDED:
            return replace(fetched, seconds=outcome.seconds)
        why = f"it succeeded, but its result cannot be fetched: {fetched.message}"
        return replace(outcome, state=StatementState.GAVE_UP, message=why)

    def _hand_over(self, work: SqlWork, outcome: StatementOutcome) -> NoReturn:
        """Let the triggerer attach to a statement. The session cancels it if that does not happen in two minutes."""
        store = work.statement.store
        options = replace(work.options(), url="", started_at=outcome.started_at)
        timeout = None
        if work.deadline is not None:
            timeout = timedelta(seconds=max(0.0, work.deadline - time.time()) + DEFER_MARGIN_SECONDS)
        remember_deferral(partial(push, self, work.context), work.context["ti"].try_number)
        self.log.info("%s is followed by the triggerer (the task is deferred)", work.name())
        self.defer(
            trigger=WherobotsSqlStatementTrigger(
                self.wherobots_conn_id,
                work.session_id,
                outcome.execution_id,
                options.to_kwargs(),
                tells_address=store is None or not store.presigned_url,
            ),
            method_name="execute_after_statement",
            kwargs={
                "session_id": work.session_id,
                "index": work.index,
                "seconds": work.seconds,
                "count": len(work.planned),
            },
            timeout=timeout,
        )
        raise AssertionError("a deferral returns")
