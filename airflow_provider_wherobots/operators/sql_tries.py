"""What the tries of a task know of each other: the ids of their executions, and the word that each leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from airflow_provider_wherobots.compat import Context, note_for_retry
from airflow_provider_wherobots.exceptions import (
    WherobotsSqlException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.run_name import task_identity
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds
from airflow_provider_wherobots.flows.sql.look_back import look_back
from airflow_provider_wherobots.flows.sql.replace import end_earlier
from airflow_provider_wherobots.flows.sql.statement import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.tries import earlier_tries, tries_before_clear
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.operators.sql_outcome import unknown_of_earlier_try
from airflow_provider_wherobots.operators.sql_results import SqlResults
from airflow_provider_wherobots.operators.sql_work import SqlWork
from airflow_provider_wherobots.operators.wherobots_task import push
from airflow_provider_wherobots.sql.repeatable import only_reads
from airflow_provider_wherobots.xcoms import SQL_SETTLED_KEY, SQL_UNSETTLED_KEY


class SqlTries(SqlResults):
    """The part of ``WherobotsSqlOperator`` that keeps a write from being executed twice."""

    _work: SqlWork | None = None
    _is_in_doubt: bool = False
    """Whether an earlier try may have written, and the session was not asked about it yet."""

    @contextmanager
    def _endings(self, context: Context) -> Iterator[None]:
        """Apply the retry rules, and leave word for the next try if it may execute all statements again."""
        with self._apply_retry_rules():
            try:
                yield
            except (WherobotsSqlOutcomeUnknownException, WherobotsTaskKilledException):
                raise
            except Exception:
                if not self._is_in_doubt and not (self._work is not None and self._work.may_have_written):
                    push(self, context, SQL_SETTLED_KEY, True)
                    note_for_retry(context["ti"], SQL_SETTLED_KEY)
                raise

    def _push_unsettled(self, context: Context) -> None:
        """Leave word for the next try that a write may be sent from now on. Without that word none is sent."""
        try:
            context["ti"].xcom_push(key=SQL_UNSETTLED_KEY, value=True)
        except Exception as error:
            raise WherobotsSqlException(
                f"Nothing more is executed: XCom {SQL_UNSETTLED_KEY}, by which a retry knows that this try may have "
                f"written, could not be pushed: {reason_of(error)}"
            ) from error

    def _earlier_tries(self, context: Context) -> list[int]:
        ti = context["ti"]
        return earlier_tries(ti.try_number, ti.max_tries, self.retries or 0)

    def _ids(self, context: Context) -> ExecutionIds:
        ti = context["ti"]
        map_index = ti.map_index if ti.map_index is not None else -1
        return ExecutionIds(task_identity(ti.dag_id, ti.run_id, ti.task_id, map_index, context["dag_run"].start_date))

    def _executions_of(self, work: SqlWork, tries: Sequence[int]) -> list[str]:
        ids = self._ids(work.context)
        return [
            ids.of(number, index, statement.text, statement.store)
            for index, statement in enumerate(work.planned)
            for number in tries
        ]

    def _end_what_a_clear_left(self, work: SqlWork) -> None:
        ti = work.context["ti"]
        tries, ids = tries_before_clear(ti.try_number, ti.max_tries, self.retries or 0), self._ids(work.context)
        earlier = self._executions_of(work, tries)
        reads = {
            ids.of(number, index, statement.text, statement.store)
            for index, statement in enumerate(work.planned)
            for number in tries
            if only_reads(statement.text)
        }
        with self._attempt.in_flight(earlier, work.url), self._session_failures():
            running = self._attempt.run(end_earlier(earlier, work.url, reads=reads))
        if running:
            raise WherobotsUnavailableException(
                f"The task was cleared, but its statement {running} could not be cancelled, and may still run in SQL "
                f"session {work.session_id}. Nothing was executed"
            )

    def _take_from_earlier_tries(self, work: SqlWork, tries: Sequence[int], is_settled: bool | None) -> None:
        ids, options = self._ids(work.context), work.options()
        sent = self._executions_of(work, tries)
        with self._attempt.in_flight(sent, work.url):
            found = self._attempt.run(
                look_back(work.planned, ids, tries, options, geometry=self.geometry, is_settled=is_settled)
            )
        for outcome in found.outcomes:
            self.log.info("%s was sent by an earlier try, and is not executed again", work.name())
            self._take(work, outcome)
        if found.in_doubt is not None:
            statement = work.planned[found.in_doubt]
            execution_id = ids.of(tries[0], found.in_doubt, statement.text, statement.store)
            work.index, work.last = found.in_doubt, StatementOutcome(StatementState.UNKNOWN, execution_id)
            self._summarize(work)
            raise unknown_of_earlier_try(work.name(), execution_id, work.session_id)
        self._is_in_doubt = False

    def _index_of(self, work: SqlWork, execution_id: str) -> int | None:
        """The place of the statement that this try has executed under an id; None if it is none of them."""
        ids, number = self._ids(work.context), work.context["ti"].try_number
        for index, statement in enumerate(work.planned):
            if ids.of(number, index, statement.text, statement.store) == execution_id:
                return index
        return None

    def _checked_index(self, work: SqlWork, execution_id: str, index: int | None, count: int | None) -> int:
        """The place of the statement that a trigger has followed, if the statements are those from before.

        Their text may be rendered differently now.
        """
        if index is None:
            found = self._index_of(work, execution_id)
            index = 0 if found is None and len(work.planned) == 1 else found
        is_count_same = count in (None, len(work.planned))
        if index is not None and is_count_same and not self._has_moved(work, execution_id, index):
            return index
        raise self._wrong(
            f"sql has other statements now ({len(work.planned)}) than when the task was deferred: it is not "
            "clear which statements are left, so nothing more is executed. See the task's log for what was executed, "
            "then clear the task, or mark it as successful"
        )

    def _has_moved(self, work: SqlWork, execution_id: str, index: int) -> bool:
        ids, number = self._ids(work.context), work.context["ti"].try_number
        places = [
            place
            for place, statement in enumerate(work.planned)
            if ids.of(number, index, statement.text, statement.store) == execution_id
        ]
        return index >= len(work.planned) or (bool(places) and index not in places)
