"""The operator that executes SQL in a session of Wherobots Cloud.

A DAG file imports this each time it is parsed, so each method of a running task imports what it needs itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.api.sql.messages import GEOMETRIES, Store, read_store
from airflow_provider_wherobots.api.sql.sessions import MULTI, SINGLE, SessionRequest, is_session_id
from airflow_provider_wherobots.compat import FAILED_TRIGGER, AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.config import DEFAULT_DEFERRABLE, MAX_OUTAGE_SECONDS, MAX_QUOTA_WAIT_SECONDS, configured
from airflow_provider_wherobots.exceptions import WherobotsSqlSessionException
from airflow_provider_wherobots.links.run import WherobotsSqlSessionLink
from airflow_provider_wherobots.sql.results import HOW_TO_INSTALL, missing
from airflow_provider_wherobots.stored import SQL_EXECUTION_ID_KEY
from airflow_provider_wherobots.tasks.wherobots_task import WherobotsTask, argument_errors, refuse_argument

try:
    from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(f"SQL needs more packages ({error}): {HOW_TO_INSTALL}") from error

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import XComArg

    from airflow_provider_wherobots.api.sql.sessions import SqlSession
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.dbapi.connection import ResultSet
    from airflow_provider_wherobots.flows.sql.session import SessionWait
    from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
    from airflow_provider_wherobots.tasks.sql_attempt import Planned, SqlAttempt


class WherobotsSqlOperator(WherobotsTask["SqlAttempt"], SQLExecuteQueryOperator):
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
        if geometry not in GEOMETRIES:
            raise self._wrong(f"geometry={geometry!r}: must be one of {', '.join(GEOMETRIES)}")
        if on_truncated not in ("warn", "fail"):
            raise self._wrong(f"on_truncated={on_truncated!r}: must be warn or fail")
        if handler not in (None, "records") and not callable(handler):
            raise self._wrong(f"handler={handler!r}: must be a function that takes a cursor, 'records', or None")
        if store is not None and (handler is not None or output_processor is not None):
            raise self._wrong("store: a stored result is not read, so there can be no handler and no output_processor")
        self._checked_store()
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

    # The life of a task

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
            return self._start(self._new_attempt(context))

    def execute_complete(self, context: Context, event: Any, **stored: Any) -> Any:
        """Continue after the triggerer has waited for quota or the session, or has followed a statement.

        :param context: the task's context.
        :param event: the trigger's event.
        :param stored: what the task stored when it deferred.
        :returns: see :meth:`execute`.
        """
        with self._apply_retry_rules():
            attempt = self._new_attempt(context)
            kept = attempt.resume(event, stored)
            with self._working(attempt):
                if event and event.get("execution_id"):
                    attempt.take_back(event, kept)
                    return self._value(attempt)
                if not attempt.session_id:
                    return self._execute_in_session(attempt, kept.quota)
                wait = attempt.session_wait(self.session_wait_timeout, kept.wait)
                return self._execute_once_ready(attempt, wait, attempt.await_session)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, the worker follows the statement in its place.

        Without an event the task starts over. On Airflow 3.0 and 3.1.0 a retry of a deferred task does so too.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        with self._apply_retry_rules():
            attempt = self._new_attempt(context)
            if attempt.starts_over(next_method, next_kwargs):
                return self._start(attempt)
            if next_method != FAILED_TRIGGER:
                return super().resume_execution(next_method, next_kwargs, context)
            if execution_id := attempt.pull(SQL_EXECUTION_ID_KEY):
                event = attempt.event_of_running(execution_id, (next_kwargs or {}).get("error"))
                return self.execute_complete(context, event)
            attempt.resume(None, {})
            with self._working(attempt):
                return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the statement, and stop an own session. A signal handler calls this, so it must import nothing."""
        self._was_killed = True
        if self._attempt is not None:
            self._attempt.kill()

    def _new_attempt(self, context: Context) -> SqlAttempt:
        from airflow_provider_wherobots.tasks.sql_attempt import GRACE_SECONDS, SqlAttempt

        def make() -> SqlAttempt:
            limit = None if self.is_session_given else self.shutdown_after_inactive_seconds
            return SqlAttempt(
                self,
                context,
                self._planned(),
                geometry=self.geometry,
                fails_if_cut=self.on_truncated == "fail",
                read=self._read,
                # The session must live without a client for as long as a triggerer may take to attach.
                may_hand_over=limit is None or limit >= GRACE_SECONDS,
            )

        return self._begin(context, make)

    @contextmanager
    def _working(self, attempt: SqlAttempt) -> Iterator[None]:
        """The time in which an attempt works. What it has come to is remembered.

        The task's *own session* is stopped when the task is done or killed, or fails and is not retried: a retry uses
        it. Only a session of the type ``single`` is not found again, so it is stopped in any case.
        """
        try:
            with attempt.open():
                yield
        except BaseException as error:
            may_retry = self.may_retry(error) and not attempt.this_try.is_last
            is_used = attempt.is_deferring or (may_retry and self.session_type != SINGLE)
            if attempt.was_killed or not is_used:
                attempt.cancel_left_running()
            if attempt.was_killed:
                attempt.note_ends()
            elif isinstance(error, Exception) and not attempt.is_deferring and not may_retry:
                attempt.memory.remember(attempt.memory.now.over())
            # Without an id the request has failed. If a session was started all the same, it ends by itself.
            if attempt.session_id and (attempt.was_killed or not is_used):
                attempt.stop_own_session()
            raise
        attempt.stop_own_session()
        attempt.memory.remember(attempt.memory.now.done(attempt.context["ti"].try_number))

    def _start(self, attempt: SqlAttempt) -> Any:
        """Begin a try. What a deferral of another try has kept does not count: that one may have executed more."""
        attempt.begin()
        with self._working(attempt):
            attempt.memory.remember(attempt.memory.now)
            return self._execute_in_session(attempt)

    # The session, the statements and the result

    def _execute_in_session(
        self, attempt: SqlAttempt, quota: Mapping[str, Any] | None = None, wait: SessionWait | None = None
    ) -> Any:
        """Request a session, unless one is given, and execute the statements in it once it is ready."""
        from airflow_provider_wherobots.flows.quota import QuotaWait

        given, wait = self._checked_session_id(), wait or attempt.session_wait(self.session_wait_timeout)
        if given is not None:
            attempt.session_id, wait = given, replace(wait, appearance_seconds=0.0)
        else:
            is_new = self.force_new or self.session_type == SINGLE
            is_own = is_new and self.session_key is None
            request = self._session_request(attempt.own_key if is_own else self.session_key)
            attempt.request_session(
                # Sent again, the request for an own session finds the same one, by its key.
                replace(request, force_new=False) if is_own else request,
                attempt.quota_wait(self.max_quota_wait_seconds) if quota is None else QuotaWait.from_kwargs(quota),
                is_own=is_own,
            )
        attempt.announce_session()
        return self._execute_once_ready(attempt, wait, attempt.await_session_or_defer)

    def _execute_once_ready(
        self, attempt: SqlAttempt, wait: SessionWait, await_session: Callable[[SessionWait], SqlSession]
    ) -> Any:
        """Wait for the session, and execute the statements in it."""
        try:
            session = await_session(wait)
        except WherobotsSqlSessionException as error:
            if self.is_session_given or not attempt.may_request_another(error):
                raise
            return self._execute_in_session(attempt, wait=wait)
        attempt.execute_all(session)
        return self._value(attempt)

    def _value(self, attempt: SqlAttempt) -> Any:
        """The value that the task returns."""
        if attempt.last is None:
            return None
        if (store := self._checked_store()) is not None:
            return attempt.stored_address(attempt.last, store)
        if not self._should_run_output_processing():
            return None
        if self._returns_one:
            return self._process_output(attempt.values[-1:], attempt.descriptions[-1:])[-1]
        return self._process_output(attempt.values, attempt.descriptions)

    def _read(self, found: ResultSet) -> Any:
        """What the task returns of the result of a statement."""
        if callable(self.handler):
            return self.handler(found)
        if found.description is None:
            return None
        return found.fetch_records() if self.handler == "records" else found.fetch_pandas()

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

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """Tell OpenLineage the statements, with their literals masked, and their tables. Sends nothing to Wherobots."""
        from airflow.providers.openlineage.sqlparser import SQLParser

        from airflow_provider_wherobots.sql.parameters import read_statements
        from airflow_provider_wherobots.sql.statements import masked

        sql, hook = read_statements(self.sql, bool(self.split_statements), self.parameters), self.get_db_hook()
        parser = SQLParser(hook.get_openlineage_database_dialect(None), hook.get_openlineage_default_schema())
        info = hook.get_openlineage_database_info(None)
        found = parser.generate_openlineage_metadata_from_sql(sql, hook, info, use_connection=False)
        # The parser's errors quote the statement.
        found.run_facets.clear()
        found.job_facets["sql"].query = ";\n".join(masked(text, len(text)) for text in sql)
        return found

    # The arguments, once they are rendered

    def _planned(self) -> list[Planned]:
        """The statements of the task. What can be checked before anything is sent is checked here."""
        from airflow_provider_wherobots.sql.parameters import read_statements
        from airflow_provider_wherobots.tasks.sql_attempt import plan

        if self.database:
            self.log.warning(
                "database=%r has no effect: connections share their session, so it has no current database. Name it in "
                "the statement, such as catalog.database.table",
                self.database,
            )
        if self.hook_params:
            names = ", ".join(map(str, self.hook_params))
            self.log.warning("hook_params (%s) has no effect: the task has arguments for all of it", names)
        with argument_errors(self.task_id):
            texts = read_statements(self.sql, bool(self.split_statements), self.parameters)
        self._checked_session_id()
        store, count = self._checked_store(), len(texts)
        returned = range(count - 1 if self._returns_one else 0, count)
        return plan(texts, store, returned if store is None and self._fetches_results else range(0))

    def _session_request(self, session_key: Any) -> SessionRequest:
        """The request for a session, from the task's arguments, else from the connection's."""
        settings = self.hook.settings
        return self._checked_request(
            runtime=settings.runtime if self.runtime is None else _value_of(self.runtime),
            region=settings.region if self.region is None else _value_of(self.region),
            version=settings.version if self.version is None else _value_of(self.version),
            session_key=session_key,
        )

    def _checked_request(self, **rendered: Any) -> SessionRequest:
        with argument_errors(self.task_id):
            return SessionRequest(
                session_type=self.session_type,
                force_new=self.force_new,
                shutdown_after_inactive_seconds=self.shutdown_after_inactive_seconds,
                **rendered,
            )

    def _checked_session_id(self) -> str | None:
        """The id of the session that was given; None if none was given."""
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

    def _checked_store(self) -> Store | None:
        """Where the result of the last statement is stored; None if it is fetched."""
        with argument_errors(self.task_id):
            return None if self.store is None else read_store(self.store)

    def _check_installed(self) -> None:
        # The default result is a pandas DataFrame.
        makes_frames = self.handler is None and self.store is None and self._fetches_results
        if absent := missing(frames=makes_frames):
            raise AirflowOptionalProviderFeatureException(f"{self.task_id}: {absent}")

    @property
    def _returns_one(self) -> bool:
        """Whether one result is returned and not a list of them, as in ``DbApiHook.run``."""
        return isinstance(self.sql, str) and (self.return_last or not self.split_statements)

    @property
    def _fetches_results(self) -> bool:
        """Whether anybody wants the results."""
        return bool(self.do_xcom_push or self.requires_result_fetch)


def _value_of(value: Any) -> Any:
    """The value of a member of the official provider's enums."""
    return value.value if isinstance(value, Enum) else value
