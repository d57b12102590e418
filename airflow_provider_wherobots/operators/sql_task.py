"""What a try needs of the SQL operator: its arguments, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.sql.messages import Store, read_store
from airflow_provider_wherobots.api.sql.sessions import SINGLE, SessionRequest, is_session_id
from airflow_provider_wherobots.tasks.wherobots_task import A, WherobotsTask, argument_errors

if TYPE_CHECKING:
    pass


class SqlTask(WherobotsTask[A]):
    """What a try needs of ``WherobotsSqlOperator``, which describes the arguments."""

    runtime: str | None
    region: str | None
    version: str | None
    session_type: str
    force_new: bool
    session_key: Any
    session_id: Any
    is_session_given: bool
    shutdown_after_inactive_seconds: int | None
    session_wait_timeout: float
    max_outage_seconds: float
    max_quota_wait_seconds: float
    sql: Any
    parameters: Any
    split_statements: bool | None
    return_last: bool
    requires_result_fetch: bool
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

    def session_request(self, session_key: str | None) -> SessionRequest:
        """The request for a session, from the task's arguments, else from the connection's."""
        settings = self.hook.settings
        return self._checked_request(
            runtime=settings.runtime if self.runtime is None else value_of(self.runtime),
            region=settings.region if self.region is None else value_of(self.region),
            version=settings.version if self.version is None else value_of(self.version),
            session_key=session_key,
        )

    def checked_session_id(self) -> str | None:
        """The id of the session that was given, once it is rendered; None if none was given."""
        if not self.is_session_given:
            return None
        # Jinja renders "None" if a task has returned nothing.
        if self.session_id in (None, "", "None"):
            reason = "the task that should have started the SQL session has returned no id"
            raise self._wrong(f"session_id={self.session_id!r}: {reason}")
        given = self.session_id.strip() if isinstance(self.session_id, str) else self.session_id
        if not is_session_id(given):
            raise self._wrong(f"session_id={self.session_id!r}: must be the id of a SQL session")
        return str(given)

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
        """Whether anybody wants the results."""
        return bool(self.do_xcom_push or self.requires_result_fetch)

    def checked_store(self) -> Store | None:
        """Where the result of the last statement is stored; None if it is fetched."""
        with argument_errors(self.task_id):
            return None if self.store is None else read_store(self.store)

    def _checked_request(self, **rendered: Any) -> SessionRequest:
        with argument_errors(self.task_id):
            return SessionRequest(
                session_type=self.session_type,
                force_new=self.force_new,
                shutdown_after_inactive_seconds=self.shutdown_after_inactive_seconds,
                **rendered,
            )


def value_of(value: Any) -> Any:
    """The value of a member of the official provider's enums."""
    return value.value if isinstance(value, Enum) else value
