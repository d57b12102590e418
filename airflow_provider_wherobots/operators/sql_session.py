"""The operators that start and stop a SQL session, so that several tasks share one cold start."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.sql.session_request import is_session_id
from airflow_provider_wherobots.compat import BaseOperator, Context
from airflow_provider_wherobots.exceptions import WherobotsQuotaException, WherobotsUnavailableException
from airflow_provider_wherobots.flows.sql.session import SessionWait, stop_session
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.sql_task import SqlTask
from airflow_provider_wherobots.operators.wherobots_task import FAILED_TRIGGER, WherobotsTask, push
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.tasks.memory import identity_of
from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt
from airflow_provider_wherobots.tasks.sql_session_try import SqlSessionTry
from airflow_provider_wherobots.xcoms import SQL_SESSION_KEY_KEY

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class WherobotsSqlSessionStartOperator(SqlTask, BaseOperator):
    """Start a SQL session, wait until it is ready, and return its id, for the ``session_id`` of other tasks.

    Requests a session (``POST /sql/session``) with a key that no other DAG run has, so that nobody else shares it, and
    defers while it starts. A retry gets the same session. If the task is killed, or the session is not ready in time,
    the session is stopped, unless ``session_key`` is given: then others may use it.

    XComs: ``session_id``, ``session_url`` and ``session_key``, as soon as there is a session.

    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param runtime: runtime of the session; default the connection's, else the organization's. Templated.
    :param region: compute region; default the connection's, else the organization's. Templated.
    :param version: Wherobots version; default the connection's, else the latest. Templated.
    :param session_key: requests with the same key and the same other arguments share the session; default a key of this
        task in this DAG run; empty: no key, for clients that cannot send one, such as ``wherobots-dbt``. Templated.
    :param shutdown_after_inactive_seconds: how long the session lives after its last client, in seconds; default the
        service's. It ends a session whose stop task never ran.
    :param session_wait_timeout: how long the session may take to become ready, in seconds; default 900.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param max_outage_seconds: how long the service may be unreachable before the task gives up, in seconds; default
        ``[wherobots] max_outage_seconds``, 600.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    template_fields: Sequence[str] = ("wherobots_conn_id", "runtime", "region", "version", "session_key")
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsSqlSessionLink(),)

    def __init__(
        self,
        *,
        wherobots_conn_id: str = WherobotsHook.default_conn_name,
        runtime: str | Enum | None = None,
        region: str | Enum | None = None,
        version: str | Enum | None = None,
        session_key: str | XComArg | None = None,
        shutdown_after_inactive_seconds: int | None = None,
        session_wait_timeout: float = 900,
        deferrable: bool | None = None,
        max_outage_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wherobots_conn_id = wherobots_conn_id
        # Not a template that renders to nothing: its session would be shared with others by mistake.
        self._has_no_key = session_key == ""
        self._set_session_arguments(
            runtime=runtime,
            region=region,
            version=version,
            session_key=session_key,
            shutdown_after_inactive_seconds=shutdown_after_inactive_seconds,
            session_wait_timeout=session_wait_timeout,
            deferrable=deferrable,
            max_outage_seconds=max_outage_seconds,
        )

    def execute(self, context: Context) -> str:
        """Request the session, and wait until it is ready.

        :param context: the task's context.
        :returns: its id.
        """
        with self._apply_retry_rules():
            return self._start(SqlSessionTry(self, context, self._attempt), None)

    @ignore_unknown
    def execute_complete(
        self,
        context: Context,
        event: Any,
        session_id: str = "",
        wait: dict[str, Any] | None = None,
        quota: dict[str, Any] | None = None,
    ) -> str:
        """Continue after the triggerer has waited for quota or for the session.

        :param context: the task's context.
        :param event: the trigger's event.
        :param session_id: the session's id; default that of the XCom, as ``dag.test()`` passes the event alone.
        :param wait: fields of :class:`~airflow_provider_wherobots.flows.sql.session.SessionWait`; default a new wait.
        :param quota: the wait for quota, as it was stored; default a new wait.
        :returns: its id.
        """
        with self._apply_retry_rules():
            this_try, left = self._resumed(context, event, session_id, wait)
            if not this_try.session_id:
                return self._start(this_try, quota)
            with this_try.working():
                return this_try.get_ready(this_try.session_id, left).id

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        if SqlSessionTry(self, context, self._attempt).starts_over(next_method, next_kwargs):
            return self.execute(context)
        if next_method != FAILED_TRIGGER:
            return super().resume_execution(next_method, next_kwargs, context)
        with self._resumed(context, None, "", None)[0].working():
            return super().resume_execution(next_method, next_kwargs, context)

    def _start(self, this_try: SqlSessionTry[Any], quota: Any) -> str:
        request, wait = self.session_request(self._key(this_try.context)), this_try.new_wait()
        with this_try.working():
            session = this_try.request(request, quota, {}, is_own=self._is_own)
            if session.fallback:
                # The stop task would stop a session that others use.
                raise WherobotsQuotaException(
                    f"The organization's quota allows no new SQL session ({words.short(session.fallback)}). The "
                    f"service offers session {words.short(session.id)}, which others use, so it is not taken"
                )
            this_try.announce()
            push(self, this_try.context, SQL_SESSION_KEY_KEY, request.session_key)
            return this_try.get_ready_or_defer(wait, {}).id

    def _resumed(
        self, context: Context, event: Any, session_id: str, wait: dict[str, Any] | None
    ) -> tuple[SqlSessionTry[Any], SessionWait]:
        this_try = SqlSessionTry(self, context, self._attempt)
        left = this_try.resumed(event, session_id, wait)
        if self._is_own and this_try.session_id:
            self._attempt.own(this_try.session_id)
        return this_try, left

    @property
    def _is_own(self) -> bool:
        """Whether no other task can have the session."""
        return self.session_key is None

    def _key(self, context: Context) -> str | None:
        if self.session_key is not None:
            if not self.session_key and not self._has_no_key:
                raise self._wrong(f"session_key={self.session_key!r}: must not be empty once it is rendered")
            key: str | None = self.session_key or None
            return key
        return durable_run_name(default_run_name(context["ti"].dag_id, self.task_id), identity_of(context))


class WherobotsSqlSessionStopOperator(WherobotsTask, BaseOperator):
    """Stop a SQL session, with everything that is executed in it (``DELETE /sql/session/{session_id}``).

    It is fine if the session has ended already, or never began. Meant as the teardown of a start task::

        start >> tasks >> stop.as_teardown(setups=start)

    :param session_id: the session's id, such as the result of ``WherobotsSqlSessionStartOperator``. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    template_fields: Sequence[str] = ("session_id", "wherobots_conn_id")
    ui_color = "#d5f0e6"

    def __init__(
        self,
        *,
        session_id: str | XComArg | None,
        wherobots_conn_id: str = WherobotsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.session_id = session_id
        self.wherobots_conn_id = wherobots_conn_id

    def execute(self, context: Context) -> None:
        """Stop the session.

        :param context: the task's context.
        """
        with self._apply_retry_rules():
            # Jinja renders these if the start task has returned nothing.
            if self.session_id is None or self.session_id in ("", "None"):
                self.log.info("There is no SQL session to stop: the start task has returned no id")
                return
            if not is_session_id(self.session_id):
                raise self._wrong(f"session_id={self.session_id!r}: must be the id of a SQL session")
            attempt = SqlAttempt(self.hook)
            with attempt.open():
                if not attempt.run(stop_session(self.session_id)):
                    raise WherobotsUnavailableException(
                        f"SQL session {words.short(self.session_id)} could not be stopped. It ends some time after its "
                        "last client has disconnected, and costs money until then. To stop it: "
                        + words.command(
                            f"orphans --stop-session {words.short(self.session_id)}", self.wherobots_conn_id
                        )
                    )
