"""What a try needs of the task that executes SQL: its arguments, and which result they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.session_request import SINGLE
from airflow_provider_wherobots.api.sql.store import read_store
from airflow_provider_wherobots.operators.sql_task import SqlTask
from airflow_provider_wherobots.operators.wherobots_task import argument_errors


class ExecutesSql(SqlTask):
    """What a try needs of ``WherobotsSqlOperator``, which describes the arguments."""

    sql: Any
    parameters: Any
    split_statements: bool | None
    return_last: bool
    requires_result_fetch: bool
    is_session_given: bool
    geometry: str
    on_truncated: str
    store: Mapping[str, Any] | None
    database: str | None

    if TYPE_CHECKING:
        # Of SQLExecuteQueryOperator.
        handler: Any
        hook_params: Any

        def _should_run_output_processing(self) -> bool: ...
        def _process_output(self, results: list[Any], descriptions: list[Any]) -> list[Any]: ...

    @property
    def makes_own_session(self) -> bool:
        """Whether the task requests a session that no other task gets."""
        is_new = self.force_new or self.session_type == SINGLE
        return is_new and self.session_key is None and not self.is_session_given

    @property
    def returns_one(self) -> bool:
        """Whether one result is returned and not a list of them, as in ``DbApiHook.run``."""
        return isinstance(self.sql, str) and (self.return_last or not self.split_statements)

    @property
    def fetches_results(self) -> bool:
        return bool(self.do_xcom_push or self.requires_result_fetch)

    def checked_store(self) -> Store | None:
        """Where the result of the last statement is stored; None if it is fetched."""
        with argument_errors(self.task_id):
            return None if self.store is None else read_store(self.store)
