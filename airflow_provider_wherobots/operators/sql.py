"""The operator that executes SQL in a session of Wherobots Cloud."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wherobots.api.sql.calls import is_session_id
from airflow_provider_wherobots.api.sql.session_request import MULTI
from airflow_provider_wherobots.compat import Context, xcom_keys_of_earlier_try
from airflow_provider_wherobots.exceptions import WherobotsException, WherobotsSqlOutcomeUnknownException
from airflow_provider_wherobots.flows.sql.session import SessionWait
from airflow_provider_wherobots.flows.sql.statement import StatementOutcome, StatementState
from airflow_provider_wherobots.hooks.sql import GEOMETRIES, WherobotsSqlHook, check_installed
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.airflow_3_0 import forget_earlier_try
from airflow_provider_wherobots.operators.removed_arguments import SQL_WORDS, refuse_other_words
from airflow_provider_wherobots.operators.sql_execution import SqlExecution
from airflow_provider_wherobots.operators.sql_task import RESUMED_OUTAGE_SECONDS
from airflow_provider_wherobots.operators.sql_work import SqlWork, was_settled
from airflow_provider_wherobots.operators.wherobots_task import FAILED_TRIGGER, TRIGGER_TIMEOUT, pull, push
from airflow_provider_wherobots.xcoms import (
    SQL_EXECUTION_ID_KEY,
    SQL_SESSION_ID_KEY,
    SQL_SETTLED_KEY,
    SQL_SUMMARY_KEY,
    SQL_UNSETTLED_KEY,
)

# Last: where the extra is missing, the hook's module says so.
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator  # isort: skip

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class WherobotsSqlOperator(SqlExecution, SQLExecuteQueryOperator):
    """Execute SQL in a session of Wherobots Cloud, and return the result or store it in a file.

    Asks for a session (``POST /sql/session``), which is shared with other tasks that ask for the same, and defers while
    it starts. Then a worker executes the statements one after the other. One that takes longer than half a minute is
    handed to :class:`~airflow_provider_wherobots.triggers.sql_statement.WherobotsSqlStatementTrigger`, if the session
    lets another connection take over, and the worker fetches its result later. A statement is cancelled if the task is
    killed, marked or cleared, or reaches its ``execution_timeout``.

    A statement is sent once in a try. A retry first asks the session what became of the statements of the tries before,
    follows one that still runs, and repeats no write that has succeeded, unless the second time changes nothing. If
    nobody can say any more what became of a write, the task fails with
    :class:`~airflow_provider_wherobots.exceptions.WherobotsSqlOutcomeUnknownException`.

    XComs: ``session_id`` and ``session_url`` as soon as there is a session, ``execution_id`` before each statement is
    sent, and ``sql_summary`` (fields of :class:`~airflow_provider_wherobots.flows.sql.summary.SqlSummary`) at the end.

    Source: the arguments of ``WherobotsSqlOperator`` of ``airflow-providers-wherobots``.

    :param sql: one statement, several of them (with ``split_statements``), a list of statements, or the name of a
        ``.sql`` file. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param runtime: runtime of the session, such as ``tiny``; default the connection's, else the organisation's.
        Templated.
    :param region: compute region, such as ``aws-us-west-2``; default the connection's, else the organisation's.
        Templated.
    :param version: Wherobots version; default the connection's, else the latest. Templated.
    :param session_wait_timeout: how long a session may take to become ready, in seconds; default 900.
    :param read_timeout: has no effect; the official provider's operator has it.
    :param force_new: whether the task gets a new session; default False.
    :param session_type: ``multi`` (default), which tasks share, or ``single``.
    :param session_key: only tasks with the same key and the same other arguments share a session; default None.
        Templated.
    :param session_id: id of the session to use, such as the result of ``WherobotsSqlSessionStartOperator``; default
        None, one is asked for. Templated.
    :param shutdown_after_inactive_seconds: how long the session lives after its last client, in seconds; default the
        service's.
    :param geometry: how geometries are written: ``ewkt`` (default), ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    :param store: ``{"format": "parquet" | "csv" | "geojson", "single": bool, "generate_presigned_url": bool,
        "options": {str: str}}``: the result of the (last) statement is stored in a file, and the task returns its
        address, or None if the result has no rows. Default None. The way to more than the 1,000 rows that the service
        returns otherwise.
    :param handler: takes a cursor as PEP 249 describes it, and returns what the task returns; default a pandas
        DataFrame, or None for a statement without a result set.
    :param parameters: values for ``%(name)s`` and ``%s``, and names for ``%(name)i`` and ``%i``, see
        :func:`~airflow_provider_wherobots.sql.parameters.bind`. Templated.
    :param split_statements: whether a ``sql`` that is one string is split at its semicolons; default False.
    :param return_last: whether only the last result of a string that was split is returned; default True.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param retry_unknown: whether a write whose outcome is unknown may be executed again by a retry; default False.
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
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsSqlSessionLink(),)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse other words for ``sql``, before Airflow says that it is missing."""
        refuse_other_words(cls, kwargs, SQL_WORDS)
        new: Self = super().__new__(cls)
        return new

    def __init__(
        self,
        *,
        sql: str | list[str] | XComArg,
        wherobots_conn_id: str = WherobotsHook.default_conn_name,
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
        handler: Callable[[Any], Any] | None = None,
        output_processor: Callable[..., Any] | None = None,
        deferrable: bool | None = None,
        retry_unknown: bool = False,
        max_outage_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        # Typed as Any: the parent knows neither an absent handler nor an XComArg.
        given: Any = {"sql": sql, "handler": handler, "output_processor": output_processor, **kwargs}
        super().__init__(conn_id=wherobots_conn_id, **given)
        self.wherobots_conn_id = wherobots_conn_id
        self.read_timeout = read_timeout
        self.session_id = session_id
        self._is_session_given = session_id is not None
        self.geometry = geometry
        self.store = store
        self.retry_unknown = retry_unknown
        self._set_session_arguments(
            runtime=runtime,
            region=region,
            version=version,
            session_type=session_type,
            force_new=force_new,
            session_key=session_key,
            shutdown_after_inactive_seconds=shutdown_after_inactive_seconds,
            session_wait_timeout=session_wait_timeout,
            deferrable=deferrable,
            max_outage_seconds=max_outage_seconds,
        )
        if not isinstance(retry_unknown, bool):
            raise self._wrong(f"retry_unknown={retry_unknown!r}: must be True or False")
        if geometry not in GEOMETRIES:
            raise self._wrong(f"geometry={geometry!r}: must be one of {', '.join(GEOMETRIES)}")
        if handler is not None and not callable(handler):
            raise self._wrong(f"handler={handler!r}: must be a function that takes a cursor, or None")
        if store is not None and (handler is not None or output_processor is not None):
            raise self._wrong("store: a stored result is not read, so there can be no handler and no output_processor")
        self._checked_store()

    def execute(self, context: Context) -> Any:
        """Get a session, and execute the statements in it.

        :param context: the task's context.
        :returns: what ``handler`` makes of the result, a DataFrame without it, or the address of a stored result.
        """
        with self._endings(context):
            keys = xcom_keys_of_earlier_try(context["ti"])
            return self._begin(context, None if keys is None else frozenset(keys))

    def execute_in_session(
        self,
        context: Context,
        event: Any,
        session_id: str = "",
        wait: dict[str, Any] | None = None,
        is_settled: bool | None = True,
        **of_later_versions: Any,
    ) -> Any:
        """Execute the statements, after the triggerer has waited for the session.

        :param context: the task's context.
        :param event: the trigger's event.
        :param session_id: the session's id; default that of the XCom, as ``dag.test()`` passes the event alone.
        :param wait: fields of :class:`~airflow_provider_wherobots.flows.sql.session.SessionWait`; default a new wait.
        :param is_settled: whether the previous try knew the outcome of all that it had sent; None if that is not known.
        :param of_later_versions: arguments that a worker of a later version added when it deferred; ignored.
        :returns: see :meth:`execute`.
        """
        with self._endings(context):
            self._is_in_doubt = bool(self._earlier_tries(context)) and is_settled is not True
            session_id, left = self._resumed(context, event, session_id, wait)
            work = self._new_work(context, session_id, left)
            return self._execute_all(work, is_settled=is_settled)

    def execute_after_statement(
        self,
        context: Context,
        event: Any,
        session_id: str = "",
        index: int | None = None,
        seconds: float = 0.0,
        count: int | None = None,
        **of_later_versions: Any,
    ) -> Any:
        """Fetch the result of a statement that the triggerer has followed, and execute those after it.

        :param context: the task's context.
        :param event: the trigger's event.
        :param session_id: the session's id; default that of the XCom, as ``dag.test()`` passes the event alone.
        :param index: the statement's place, from 0; default that of the event's execution.
        :param seconds: how long the statements before it took; default 0.
        :param count: how many statements the task had; None if that is not known.
        :param of_later_versions: arguments that a worker of a later version added when it deferred; ignored.
        :returns: see :meth:`execute`.
        """
        with self._endings(context):
            self._is_in_doubt = True
            outcome = StatementOutcome.from_event(event)
            session_id = session_id or pull(self, context, SQL_SESSION_ID_KEY)
            work = self._new_work(context, session_id, self._short_wait(context))
            work.resume_at(self._checked_index(work, outcome.execution_id, index, count), seconds)
            self._is_in_doubt = False
            return self._resume_with(work, outcome)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the statement's outcome, or cancel it.

        On Airflow 3.0 and 3.1.0 a retry of a deferred task comes here too, and starts over.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        if self._is_resumed_retry(context):
            with self._endings(context):
                keys = (SQL_EXECUTION_ID_KEY, SQL_UNSETTLED_KEY, SQL_SETTLED_KEY, SQL_SUMMARY_KEY)
                left = frozenset(key for key in keys if pull(self, context, key))
                # The doubt stays until this try has its own: the task may be killed at any moment.
                forget_earlier_try(partial(push, self, context), left - {SQL_UNSETTLED_KEY})
                return self._begin(context, left)
        if next_method == FAILED_TRIGGER:
            with self._endings(context):
                self._is_in_doubt = True
                if (followed := self._followed(context)) is not None:
                    self._is_in_doubt = False
                    error = (next_kwargs or {}).get("error")
                    self.log.warning("The trigger failed: %s", error)
                    return self._settle(*followed, is_late=error == TRIGGER_TIMEOUT)
                self._is_in_doubt = bool(self._earlier_tries(context) or pull(self, context, SQL_EXECUTION_ID_KEY))
                return super().resume_execution(next_method, next_kwargs, context)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Stop, and cancel the statement that is executed.

        Airflow calls this in a signal handler, seconds before it ends the process.
        """
        self._kill_attempt()

    def get_db_hook(self) -> WherobotsSqlHook:
        """Make a hook with the task's arguments.

        :returns: the hook; the operator itself executes its statements without it.
        """
        arguments = {
            "region": self.region,
            "wherobots_conn_id": self.wherobots_conn_id,
            "runtime": self.runtime,
            "version": self.version,
            "session_wait_timeout": self.session_wait_timeout,
            "force_new": self.force_new,
            "session_type": self.session_type,
            "session_key": self.session_key,
            "session_id": self.session_id,
            "shutdown_after_inactive_seconds": self.shutdown_after_inactive_seconds,
            "geometry": self.geometry,
        }
        return WherobotsSqlHook(**{**(self.hook_params or {}), **arguments})

    def _may_retry(self, error: WherobotsException) -> bool:
        if isinstance(error, WherobotsSqlOutcomeUnknownException) and self._work is not None:
            return self._work.statement.may_repeat
        return super()._may_retry(error)

    def _begin(self, context: Context, earlier_keys: frozenset[str] | None) -> Any:
        tries = self._earlier_tries(context)
        is_settled = was_settled(earlier_keys, len(tries))
        if tries and is_settled is not True:
            # The doubt outlives a try that ends before it could ask.
            self._is_in_doubt = True
            self._push_unsettled(context)
        work = self._new_work(context, "", self._new_wait(context))
        with self._attempt.open():
            if not self._is_session_given:
                work.session_id = self._ask(self._session_request(self.session_key)).id
            else:
                work.session_id = self._checked_session_id()
            self._announce_session(context, work.session_id)
            if not self.deferrable or self._is_ready(work.session_id, work.wait):
                return self._execute_all(work, is_settled=is_settled)
        self._defer_until_ready(context, work.session_id, work.wait, {"is_settled": is_settled})

    def _new_work(self, context: Context, session_id: str, wait: SessionWait) -> SqlWork:
        """Check all that can be checked before anything is sent."""
        check_installed()
        planned = self._plan()
        if self._makes_frames(planned) and find_spec("pandas") is None:
            raise self._wrong(
                "the result is returned as a pandas DataFrame, but pandas is not installed: pip install pandas, or set "
                "handler=, such as airflow.providers.common.sql.hooks.handlers.fetch_all_handler"
            )
        if self.database:
            self.log.warning(
                "database=%r has no effect: connections share their session, so it has no current database. Name it in "
                "the statement, such as catalog.database.table",
                self.database,
            )
        if self.hook_params:
            names = ", ".join(map(str, self.hook_params))
            self.log.warning("hook_params (%s) has no effect: the task has arguments for all of it", names)
        self._work = SqlWork(context, planned, session_id, wait, self._deadline(context), self.max_outage_seconds)
        return self._work

    def _checked_session_id(self) -> str:
        if self.session_id is None:
            raise self._wrong("session_id: the task that should have started the SQL session has returned none")
        session_id = self.session_id.strip() if isinstance(self.session_id, str) else self.session_id
        if not is_session_id(session_id):
            raise self._wrong(f"session_id={self.session_id!r}: must be the id of a SQL session")
        return session_id

    def _short_wait(self, context: Context) -> SessionWait:
        """The wait for a session that has executed statements already."""
        deadline = self._deadline(context)
        return SessionWait(
            RESUMED_OUTAGE_SECONDS, RESUMED_OUTAGE_SECONDS, deadline, time.time(), appearance_seconds=0.0
        )

    def _followed(self, context: Context) -> tuple[SqlWork, StatementOutcome] | None:
        """The statement that a trigger was to follow; None if it waited for the session, or if that is unknown now."""
        session_id, execution_id = (pull(self, context, key) for key in (SQL_SESSION_ID_KEY, SQL_EXECUTION_ID_KEY))
        if not session_id or not execution_id:
            return None
        # The deadline may be what has ended the trigger, and asking takes a moment.
        work = self._new_work(context, session_id, replace(self._short_wait(context), deadline=None))
        index = self._index_of(work, execution_id)
        if index is None:
            # The statements are rendered differently now: nothing of theirs may be executed or taken for this one's.
            return None
        work.resume_at(index, 0.0)
        return work, StatementOutcome(StatementState.RUNNING, execution_id)
