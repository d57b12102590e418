"""The statements that a task's arguments stand for, and what the task returns of their outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.store import read_store
from airflow_provider_wherobots.compat import mask_secret
from airflow_provider_wherobots.exceptions import WherobotsSqlException
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.measurements import of_statement
from airflow_provider_wherobots.flows.sql.look_back import Planned
from airflow_provider_wherobots.flows.sql.statement import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.summary import SqlSummary
from airflow_provider_wherobots.operators.metrics import emit
from airflow_provider_wherobots.operators.sql_outcome import failure
from airflow_provider_wherobots.operators.sql_task import SqlTask
from airflow_provider_wherobots.operators.sql_work import SqlWork
from airflow_provider_wherobots.operators.wherobots_task import push
from airflow_provider_wherobots.sql.repeatable import may_repeat
from airflow_provider_wherobots.sql.task_statements import read_statements
from airflow_provider_wherobots.xcoms import SQL_SUMMARY_KEY


class SqlResults(SqlTask):
    """The part of ``WherobotsSqlOperator`` that makes statements of its arguments, and a value of their outcomes."""

    sql: Any
    parameters: Any
    split_statements: bool | None
    return_last: bool
    handler: Any
    requires_result_fetch: bool
    geometry: str
    store: Mapping[str, Any] | None
    retry_unknown: bool

    if TYPE_CHECKING:
        # Of SQLExecuteQueryOperator.
        def _should_run_output_processing(self) -> bool: ...
        def _process_output(self, results: list[Any], descriptions: list[Any]) -> list[Any]: ...

    def _plan(self) -> list[Planned]:
        texts = self._statements()
        store, last = self._checked_store(), len(texts) - 1
        is_single = self._is_single
        return [
            Planned(
                text,
                may_repeat(text) or self.retry_unknown,
                # A stored result is not fetched, and one that is not returned need not be.
                store is None and self._fetches_results and (index == last or not is_single),
                store if index == last else None,
            )
            for index, text in enumerate(texts)
        ]

    def _statements(self) -> list[str]:
        try:
            return read_statements(self.sql, bool(self.split_statements), self.parameters)
        except InvalidArgumentError as error:
            raise self._wrong(str(error)) from None

    @property
    def _is_single(self) -> bool:
        """Whether one result is returned, and not a list of them, as ``DbApiHook.run`` has it."""
        return isinstance(self.sql, str) and (self.return_last or not self.split_statements)

    @property
    def _fetches_results(self) -> bool:
        return bool(self.do_xcom_push or self.requires_result_fetch)

    def _makes_frames(self, planned: Sequence[Planned]) -> bool:
        return self.handler is None and any(statement.wants_result for statement in planned)

    def _checked_store(self) -> Store | None:
        try:
            return None if self.store is None else read_store(self.store)
        except InvalidArgumentError as error:
            raise self._wrong(str(error)) from None

    def _take(self, work: SqlWork, outcome: StatementOutcome, *, is_of_this_try: bool = True) -> None:
        """Keep the value of a statement that has succeeded; else fail."""
        if is_of_this_try:
            ti, region = work.context["ti"], work.session.region if work.session else None
            tags = {"dag_id": ti.dag_id, "task_id": ti.task_id}
            emit(of_statement(outcome.seconds, outcome.state.value, region, tags), self.log.warning)
        work.last = outcome
        work.seconds += outcome.seconds
        work.has_written = work.has_written or not (work.statement.may_repeat or _had_no_effect(outcome))
        work.is_writing = False
        if outcome.state is not StatementState.SUCCEEDED:
            self._summarize(work)
            limit = None if self.execution_timeout is None else self.execution_timeout.total_seconds()
            raise failure(outcome, work.name(), work.session_id, limit, work.statement.may_repeat)
        self.log.info("%s succeeded in %s", work.name(), words.duration(outcome.seconds))
        if work.statement.wants_result:
            value, description = self._read(work, outcome)
            work.values.append(value)
            work.descriptions.append(description)
        work.index += 1

    def _read(self, work: SqlWork, outcome: StatementOutcome) -> tuple[Any, Any]:
        """What the task returns of a result, and the description of its columns."""
        from airflow_provider_wherobots.dbapi.connection import Connection
        from airflow_provider_wherobots.hooks.sql_failures import failure as as_exception

        with Connection(nullcontext(self._attempt.driver), self.log.log, failure=as_exception) as connection:
            cursor = connection.cursor()
            cursor.take(outcome)
            work.rows = cursor.rowcount if cursor.description else None
            if self.handler is not None:
                return self.handler(cursor), cursor.description
            return (None if cursor.description is None else cursor.fetch_pandas()), cursor.description

    def _finish(self, work: SqlWork) -> Any:
        self._summarize(work)
        if self.store is not None:
            return self._address(work)
        if not self._should_run_output_processing():
            return None
        if self._is_single:
            return self._process_output([work.values[-1]], work.descriptions[-1:])[-1]
        return self._process_output(work.values, work.descriptions)

    def _address(self, work: SqlWork) -> str | None:
        last = work.last
        if last is None or last.result_uri is None:
            if last is not None and last.is_location_lost:
                raise WherobotsSqlException(
                    f"{work.name(-1)} succeeded and its result is stored, but the session can no longer say where"
                )
            self.log.info("The result has no rows, so nothing was stored: the task returns None")
            return None
        store = self._checked_store()
        size = "" if last.size is None else f" ({words.size(last.size)})"
        if store is not None and store.presigned_url:
            # Whoever knows it can read the file.
            mask_secret(last.result_uri)
            self.log.info("The result is stored%s; its presigned URL is what the task returns", size)
        else:
            self.log.info("The result is stored at %s%s", words.quoted(last.result_uri), size)
        return last.result_uri

    def _summarize(self, work: SqlWork) -> None:
        last, session = work.last, work.session
        summary = SqlSummary(
            state="unknown" if last is None else last.state.value,
            session_id=work.session_id,
            execution_id=None if last is None else last.execution_id,
            region=(session.region or None) if session else None,
            version=(session.version or None) if session else None,
            statements=work.index,
            seconds=round(work.seconds, 3),
            rows=work.rows,
            stored_bytes=None if last is None else last.size,
        )
        self.log.info("%s", summary.describe())
        push(self, work.context, SQL_SUMMARY_KEY, summary.to_json())


def _had_no_effect(outcome: StatementOutcome) -> bool:
    """Whether a statement certainly has written nothing, so that a retry may execute it."""
    match outcome.state:
        case StatementState.FAILED | StatementState.CANCELLED:
            return True
        case StatementState.DEADLINE | StatementState.GAVE_UP:
            return outcome.is_cancelled or not outcome.was_sent
    return not outcome.was_sent
