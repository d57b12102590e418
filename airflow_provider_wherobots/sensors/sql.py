"""The sensor that waits for the first row of a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.exceptions import WherobotsSqlException
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.sql_task import SESSION_FIELDS, SqlTask
from airflow_provider_wherobots.sql.reads import is_read

# Last: if the extra is missing, the hook's module reports it.
from airflow.providers.common.sql.sensors.sql import SqlSensor  # isort: skip

if TYPE_CHECKING:
    from airflow.sdk import XComArg

MIN_RESCHEDULE_SECONDS = 10.0
"""The shortest delay between two pokes with ``mode="reschedule"``.

Until the scheduler has handled the executor's report of one poke, it takes that report for the end of the next one, and
fails the task (apache/airflow issue 67287).
"""


class WherobotsSqlSensor(SqlTask, SqlSensor):
    """Execute a query in a SQL session of Wherobots Cloud again and again, until its first row is as expected.

    This is Airflow's ``SqlSensor`` with the session of ``WherobotsSqlOperator``, and with ``mode="reschedule"`` by
    default: between two pokes it holds no worker and no connection, so the session can end. A poke waits for the
    session and for the query on a worker. The query is cancelled if the task is killed.

    XComs: ``session_id`` and ``session_url``.

    Source: the arguments of ``SqlSensor`` of Airflow's provider common.sql.

    :param sql: the query, or the name of a ``.sql`` file. One statement that only reads. Templated.
    :param parameters: values and names, see :func:`~airflow_provider_wherobots.sql.parameters.bind`. Templated.
    :param success: takes the selected value, and returns whether the wait is over; default whether the value is true.
    :param failure: takes the selected value, and returns whether the task fails; default None, never.
    :param selector: takes the first row as a tuple, and returns the value; default its first field.
    :param fail_on_empty: whether the task fails if the query returns no row; default False.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param runtime: runtime of the session, such as ``tiny``; default the connection's, else the organization's.
        Templated.
    :param region: compute region; default the connection's, else the organization's. Templated.
    :param version: Wherobots version; default the connection's, else the latest. Templated.
    :param session_key: only tasks with the same key and the same other arguments share a session; default None.
        Templated.
    :param session_id: id of the session to use; default None, a session is requested. Templated.
    :param shutdown_after_inactive_seconds: how long the session lives after its last client, in seconds; default the
        service's. A time shorter than ``poke_interval`` lets it end between two pokes.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    template_fields: Sequence[str] = ("sql", "parameters", *SESSION_FIELDS)
    template_ext: Sequence[str] = (".sql",)
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsSqlSessionLink(),)
    selector: Callable[[Any], Any]
    _sql_hook: WherobotsSqlHook | None = None

    def __init__(
        self,
        *,
        selector: Callable[[Any], Any] = itemgetter(0),
        wherobots_conn_id: str = WherobotsSqlHook.default_conn_name,
        runtime: str | Enum | None = None,
        region: str | Enum | None = None,
        version: str | Enum | None = None,
        session_key: str | XComArg | None = None,
        session_id: str | XComArg | None = None,
        shutdown_after_inactive_seconds: int | None = None,
        mode: str = "reschedule",
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=wherobots_conn_id, selector=selector, mode=mode, **kwargs)
        if self.reschedule:
            self.poke_interval = max(self.poke_interval, MIN_RESCHEDULE_SECONDS)
        self.wherobots_conn_id = wherobots_conn_id
        self._set_session_arguments(
            runtime=runtime,
            region=region,
            version=version,
            session_key=session_key,
            session_id=session_id,
            shutdown_after_inactive_seconds=shutdown_after_inactive_seconds,
        )

    def poke(self, context: Context) -> bool:
        """Execute the query once.

        :param context: the task's context.
        :returns: whether the wait is over.
        """
        if not isinstance(self.sql, str) or not is_read(self.sql):
            raise self._wrong("sql: must be one statement that only reads, as SELECT does")
        self.checked_session_id()
        hook = self._sql_hook = self._make_hook()
        try:
            # Not the method of Airflow's sensor, which logs the parameters.
            rows = hook.get_records(self.sql, self.parameters)
        finally:
            if hook.session is not None:
                self.announce_session(context, hook.session.id)
        if not rows:
            if self.fail_on_empty:
                raise WherobotsSqlException("The query returned no row (fail_on_empty=True)")
            return False
        value = self.selector(rows[0])
        if self.failure is not None and self.failure(value):
            raise WherobotsSqlException(f"failure(value) is true for {value!r}")
        return bool(value if self.success is None else self.success(value))

    def on_kill(self) -> None:
        """Cancel the query that is executed. Airflow calls this in a signal handler."""
        if self._sql_hook is not None:
            self._sql_hook.cancel_running()
