"""The operator that executes SQL in a session of Wherobots Cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.api.sql.messages import GEOMETRIES
from airflow_provider_wherobots.api.sql.sessions import MULTI
from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.config import DEFAULT_DEFERRABLE, MAX_OUTAGE_SECONDS, MAX_QUOTA_WAIT_SECONDS, configured
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.sql_task import SqlTask, value_of
from airflow_provider_wherobots.operators.wherobots_task import FAILED_TRIGGER, refuse_argument
from airflow_provider_wherobots.sql.results import HOW_TO_INSTALL, missing

try:
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(f"SQL needs more packages ({error}): {HOW_TO_INSTALL}") from error

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
    from airflow_provider_wherobots.tasks.sql_try import SqlTry


class WherobotsSqlOperator(SqlTask, SQLExecuteQueryOperator):
    """Execute SQL in a session of Wherobots Cloud, and return the result or store it in a file.

    Requests a session (``POST /sql/session``), which is shared with other tasks that request the same, and defers while
    it starts. Then a worker executes the statements one after the other. A statement that takes longer than half a
    minute is handed to :class:`~airflow_provider_wherobots.triggers.sql.WherobotsSqlTrigger`, if the
    session lets another connection take over, and the worker fetches its result later. A statement is cancelled if the
    task is killed, marked or cleared, or reaches its ``execution_timeout``.

    A statement is sent once in a try. A retry executes what only reads or only changes the session, skips what has
    succeeded, and executes what has failed or was never sent. It asks the session about a write that was sent and whose
    outcome is not known, and follows one that still runs. If nobody knows, the task fails without a retry, with
    :class:`~airflow_provider_wherobots.exceptions.WherobotsSqlOutcomeUnknownException`.

    XComs: ``session_id`` and ``session_url`` as soon as there is a session, ``execution_id`` before each statement is
    sent, and ``sql_summary`` (fields of :class:`~airflow_provider_wherobots.flows.sql.outcome.SqlSummary`) at the end.

    Source: the arguments of ``WherobotsSqlOperator`` of ``airflow-providers-wherobots``.

    :param sql: one statement, several of them (with ``split_statements``), a list of statements, or the name of a
        ``.sql`` file. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param runtime: runtime of the session, such as ``tiny``; default the connection's, else the organization's.
        Templated.
    :param region: compute region, such as ``aws-us-west-2``; default the connection's, else the organization's.
        Templated.
    :param version: Wherobots version; default the connection's, else the latest. Templated.
    :param session_wait_timeout: how long a session may take to become ready, in seconds; default 900.
    :param read_timeout: has no effect; the official provider's operator has it.
    :param force_new: whether the task gets a new session, which ends with it unless ``session_key`` is given; default
        False.
    :param session_type: ``multi`` (default), which tasks share, or ``single``.
    :param session_key: only tasks with the same key and the same other arguments share a session; default None.
        Templated.
    :param session_id: id of the session to use, such as what ``WherobotsSqlHook.start_session`` returns; default None,
        a session is requested. Templated.
    :param shutdown_after_inactive_seconds: how long the session lives after its last client, in seconds; default 300
        with a ``session_key`` and for the task's own session, else the service's. Below 120 no statement is handed to
        the triggerer.
    :param geometry: how geometries are written: ``ewkt`` (default), ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    :param store: ``{"format": "parquet" | "csv" | "geojson", "single": bool, "generate_presigned_url": bool,
        "options": {str: str}}``: the result of the (last) statement is stored in a file, and the task returns its
        address, or None if the result has no rows. Default None. The way to more than the 1,000 rows that the service
        returns otherwise.
    :param on_truncated: what happens to a result of exactly 1,000 rows, which may be cut: ``warn`` (default) or
        ``fail``.
    :param handler: takes a cursor as PEP 249 describes it, and returns what the task returns; or ``"records"``, for a
        list with a dict per row, in which decimals and timestamps are text. Default a pandas DataFrame. A statement
        without a result set returns None, unless a function is given.
    :param output_processor: takes the results and descriptions of the statements, and returns what the task returns, as
        in Airflow's ``SQLExecuteQueryOperator``; default None.
    :param parameters: values for ``%(name)s`` and ``%s``, and names for ``%(name)i`` and ``%i``, see
        :func:`~airflow_provider_wherobots.sql.parameters.bind`. Templated.
    :param split_statements: whether a ``sql`` that is one string is split at its semicolons; default False.
    :param return_last: whether only the last result of a string that was split is returned; default True.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param max_outage_seconds: how long the service may be unreachable before the task gives up, in seconds; default
        ``[wherobots] max_outage_seconds``, 600.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    conn_id_field = "wherobots_conn_id"
    template_fields: Sequence[str] = (
        "sql",
        "parameters",
        "wherobots_conn_id",
        "runtime",
        "region",
        "version",
        "session_key",
        "session_id",
        "database",
        "hook_params",
    )
    template_ext: Sequence[str] = (".sql",)
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsSqlSessionLink(),)

    def __init__(
        self,
        *,
        sql: str | list[str] | XComArg,
        wherobots_conn_id: str = DEFAULT_CONN_ID,
        runtime: str | Enum | None = None,
        region: str | Enum | None = None,
        version: str | Enum | None = None,
        session_wait_timeout: float = 900,
        read_timeout: float = 0.25,
        force_new: bool = False,
        session_type: str | Enum = MULTI,
        session_key: str | XComArg | None = None,
        session_id: str | XComArg | None = None,
        shutdown_after_inactive_seconds: int | None = None,
        geometry: str = GEOMETRIES[0],
        store: Mapping[str, Any] | None = None,
        on_truncated: str = "warn",
        handler: Callable[[Any], Any] | Literal["records"] | None = None,
        output_processor: Callable[..., Any] | None = None,
        deferrable: bool | None = None,
        max_outage_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_argument(kwargs.get("task_id", ""), kwargs, "conn_id", "wherobots_conn_id")
        # Typed as Any: the parent knows neither an absent handler nor an XComArg.
        given: Any = {"sql": sql, "handler": handler, "output_processor": output_processor, **kwargs}
        super().__init__(conn_id=wherobots_conn_id, **given)
        self.wherobots_conn_id = wherobots_conn_id
        self.read_timeout = read_timeout
        self.geometry = geometry
        self.store = store
        self.on_truncated = on_truncated
        self.runtime = value_of(runtime)
        self.region = value_of(region)
        self.version = value_of(version)
        self.session_type = value_of(session_type)
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
        if geometry not in GEOMETRIES:
            raise self._wrong(f"geometry={geometry!r}: must be one of {', '.join(GEOMETRIES)}")
        if on_truncated not in ("warn", "fail"):
            raise self._wrong(f"on_truncated={on_truncated!r}: must be warn or fail")
        if handler not in (None, "records") and not callable(handler):
            raise self._wrong(f"handler={handler!r}: must be a function that takes a cursor, 'records', or None")
        if store is not None and (handler is not None or output_processor is not None):
            raise self._wrong("store: a stored result is not read, so there can be no handler and no output_processor")
        self.checked_store()
        self._check_installed()

    def prepare_template(self) -> None:
        """Read ``parameters`` that are the text of a dict, a list or a tuple. Airflow's operator does so, too, but its
        error does not name the task.
        """
        try:
            super().prepare_template()
        except (SyntaxError, TypeError, ValueError):
            text = "must be a dict, a list or a tuple, or the text of one; a template can be a value in it"
            raise self._wrong(f"parameters: {text}") from None

    def execute(self, context: Context) -> Any:
        """Get a session, and execute the statements in it.

        :param context: the task's context.
        :returns: what ``handler`` makes of the result, a DataFrame without it, or the address of a stored result.
        """
        with self._apply_retry_rules():
            if self.task_id != context["ti"].task_id:
                raise self._wrong(
                    f"the function of task {context['ti'].task_id} must not execute this operator, because a retry "
                    "could not tell what the operator has written. Make it a task of its own, or use WherobotsSqlHook "
                    "in the function"
                )
            return self._new_try(context).begin()

    def execute_complete(self, context: Context, event: Any, **stored: Any) -> Any:
        """Continue after the triggerer has waited for quota or the session, or has followed a statement.

        :param context: the task's context.
        :param event: the trigger's event.
        :param stored: what the task stored when it deferred.
        :returns: see :meth:`execute`.
        """
        with self._apply_retry_rules():
            return self._new_try(context).resume(event, stored)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, the worker follows the statement in its place.

        Without an event the task starts over. On Airflow 3.0 and 3.1.0 a retry of a deferred task does so too.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        give_up = partial(super().resume_execution, next_method, next_kwargs, context)
        with self._apply_retry_rules():
            this_try = self._new_try(context)
            if this_try.starts_over(next_method, next_kwargs):
                return this_try.begin()
            if next_method == FAILED_TRIGGER:
                return this_try.resume_after_failed_trigger((next_kwargs or {}).get("error"), give_up)
            return give_up()

    def get_db_hook(self) -> WherobotsSqlHook:
        """Make a hook with the task's arguments.

        :returns: the hook; the operator itself executes its statements without it.
        """
        from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook

        names = (
            *("wherobots_conn_id", "runtime", "region", "version", "session_wait_timeout", "force_new", "session_type"),
            *("session_key", "session_id", "shutdown_after_inactive_seconds", "geometry", "on_truncated"),
        )
        return WherobotsSqlHook(**{**(self.hook_params or {}), **{name: getattr(self, name) for name in names}})

    def _check_installed(self) -> None:
        # The default result is a pandas DataFrame.
        makes_frames = self.handler is None and self.store is None and self.fetches_results
        if absent := missing(frames=makes_frames):
            raise AirflowOptionalProviderFeatureException(f"{self.task_id}: {absent}")

    def _new_try(self, context: Context) -> SqlTry:
        from airflow_provider_wherobots.tasks.sql_try import SqlTry

        return SqlTry(self, context, self._attempt)
