"""The arguments that decide which SQL session a task requests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.endpoint import workload_history_url
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.session_request import MULTI, SINGLE, SessionRequest, is_session_id
from airflow_provider_wherobots.api.sql.store import read_store
from airflow_provider_wherobots.config import DEFAULT_DEFERRABLE, MAX_OUTAGE_SECONDS, MAX_QUOTA_WAIT_SECONDS, configured
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.wherobots_task import WherobotsTask, argument_errors, push
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
    from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt

SESSION_FIELDS = ("wherobots_conn_id", "runtime", "region", "version", "session_key", "session_id")
"""The templated arguments that decide which session a task uses."""


class SqlTask(WherobotsTask):
    """What ``WherobotsSqlOperator``, ``WherobotsSqlSessionStartOperator`` and ``WherobotsSqlSensor`` share."""

    def _set_session_arguments(
        self,
        *,
        runtime: str | Enum | None,
        region: str | Enum | None,
        version: str | Enum | None,
        session_key: Any,
        shutdown_after_inactive_seconds: int | None,
        session_id: Any = None,
        deferrable: bool | None = None,
        session_type: str | Enum = MULTI,
        force_new: bool = False,
        session_wait_timeout: float = 900,
        max_outage_seconds: float | None = None,
    ) -> None:
        self.runtime = _value_of(runtime)
        self.region = _value_of(region)
        self.version = _value_of(version)
        self.session_type = _value_of(session_type)
        self.force_new = force_new
        self.session_key = session_key
        self.session_id = session_id
        self.is_session_given = session_id is not None
        self.shutdown_after_inactive_seconds = shutdown_after_inactive_seconds
        self.session_wait_timeout = self._number("session_wait_timeout", session_wait_timeout, above_0=True)
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        self.max_quota_wait_seconds = self._seconds(MAX_QUOTA_WAIT_SECONDS, None)
        self._check_flags("deferrable")
        # Arguments that can be templates are checked once they are rendered.
        self._checked_request()

    def session_request(self, session_key: str | None) -> SessionRequest:
        """The request for a session, from the task's arguments, else from the connection's."""
        settings = self.hook.settings
        return self._checked_request(
            runtime=settings.runtime if self.runtime is None else _value_of(self.runtime),
            region=settings.region if self.region is None else _value_of(self.region),
            version=settings.version if self.version is None else _value_of(self.version),
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

    def announce_session(self, context: Context, session_id: str) -> str:
        """Push the id of the session, and the link to it. Returns the link's address."""
        url = workload_history_url(self.hook.settings.endpoint.base_url)
        push(self, context, SQL_SESSION_ID_KEY, session_id)
        for key in WherobotsSqlSessionLink().address_keys:
            push(self, context, key, url)
        return url

    def _make_hook(self, **more: Any) -> WherobotsSqlHook:
        """Make a hook that requests the same session."""
        from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook

        arguments = {
            "wherobots_conn_id": self.wherobots_conn_id,
            "runtime": self.runtime,
            "region": self.region,
            "version": self.version,
            "session_wait_timeout": self.session_wait_timeout,
            "force_new": self.force_new,
            "session_type": self.session_type,
            "session_key": self.session_key,
            "session_id": self.session_id,
            "shutdown_after_inactive_seconds": self.shutdown_after_inactive_seconds,
        }
        return WherobotsSqlHook(**{**more, **arguments})

    def _checked_request(self, **rendered: Any) -> SessionRequest:
        with argument_errors(self.task_id):
            return SessionRequest(
                session_type=self.session_type,
                force_new=self.force_new,
                shutdown_after_inactive_seconds=self.shutdown_after_inactive_seconds,
                **rendered,
            )

    def _make_attempt(self) -> SqlAttempt:
        from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt

        return SqlAttempt(self.hook)


class ExecutesSql(SqlTask):
    """What a try needs of ``WherobotsSqlOperator``, which describes the arguments."""

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


def _value_of(value: Any) -> Any:
    """The value of a member of the official provider's enums."""
    return value.value if isinstance(value, Enum) else value
