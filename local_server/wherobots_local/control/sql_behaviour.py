"""Switches of SQL sessions: for what no source says, and for deviations that tests need."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wherobots_local.api.validation import ControlModel

Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
_CloseCode = Annotated[int, Field(ge=1000, le=4999)]
_RefusalStatus = Annotated[int, Field(ge=400, le=599)]


class SqlBehaviour(ControlModel):
    """The switches of SQL sessions.

    :param sql_synthetic: whether new sessions have the synthetic engine, which executes nothing; default False.
    :param sql_start_delay_seconds: how long a session takes to become READY; default 0.
    :param sql_null_seconds: how long after its creation the answer to Get SQL Session is null; default 0.
    :param sql_url_delay_seconds: how long a READY session has an empty address; default 0.
    :param sql_unknown_session: answer to Get SQL Session for an unknown id: 404, or 200 with null; default 404.
    :param sql_inactive_seconds: ``shutdownAfterInactiveSeconds`` where it is not given; default 900.
    :param sql_idle_timeout_of: what must be idle for ``idleTimeoutMinutes``: ``clients`` (no connection),
        ``statements`` (nothing runs) or ``nothing`` (the field has no effect); default clients.
    :param sql_inactive_code: code with which connections are closed when a session ends because it is inactive or
        deleted; default 1000.
    :param sql_death_code: the same when its engine dies; default 1011.
    :param sql_ended_status: HTTP status of the upgrade for a session that has ended; default 404.
    :param sql_starting_status: the same for one that is not ready yet; default 503.
    :param sql_max_sessions: how many sessions there may be at the same time; default None, any number.
    :param sql_quota: what happens beyond it: ``fallback`` shares another session, 403, 409 or 429 refuses; default
        fallback.
    :param sql_clean_close: what becomes of the statements of a connection that its client closed: ``orphan`` (as if the
        connection were lost), ``cancel`` at once, or ``continue``; default orphan.
    :param sql_orphan_grace_seconds: after how long the statements of a lost connection are cancelled; None never;
        default 120.
    :param sql_attach: whether the session knows ``attach``. An older one ignores it, and does not repeat where a result
        is stored; default True.
    :param sql_executions_kept: how many executions a session knows, those that run among them; default 16.
    :param sql_max_rows: how many rows come back; None sets no limit; default 1000.
    :param sql_cut_marked: whether a result that was cut says so, with ``"truncated": true``; default False.
    :param sql_results_of_ddl: the result of a statement without one: a table without columns (``columnless``), or
        ``null``; default columnless.
    :param sql_store_single: whether a stored result is one file where ``single`` is not given; default False.
    :param sql_store_folder: the folder of stored results in the user's managed storage; default sql-results.
    :param sql_store_seconds: for how long a stored result is kept; None keeps it; default None.
    :param sql_needless_cancel: answer to the cancel of an execution that is unknown or has ended: ``nothing``, its
        ``state``, or an ``error``; default nothing.
    :param sql_used_execution_id: what happens to a statement whose id has been used: it is ``executed`` again,
        ``refused`` with an error, or ``ignored``; default executed.
    :param sql_cancel_delay_seconds: how long after a cancel the execution ends; default 0.
    """

    sql_synthetic: bool = False
    sql_start_delay_seconds: Seconds = 0.0
    sql_null_seconds: Seconds = 0.0
    sql_url_delay_seconds: Seconds = 0.0
    sql_unknown_session: Literal[404, 200] = 404
    sql_inactive_seconds: Seconds = 900.0
    sql_idle_timeout_of: Literal["clients", "statements", "nothing"] = "clients"
    sql_inactive_code: _CloseCode = 1000
    sql_death_code: _CloseCode = 1011
    sql_ended_status: _RefusalStatus = 404
    sql_starting_status: _RefusalStatus = 503
    sql_max_sessions: Count | None = None
    sql_quota: Literal["fallback", 403, 409, 429] = "fallback"
    sql_clean_close: Literal["orphan", "cancel", "continue"] = "orphan"
    sql_orphan_grace_seconds: Seconds | None = 120.0
    sql_attach: bool = True
    sql_executions_kept: Count = 16
    sql_max_rows: Count | None = 1000
    sql_cut_marked: bool = False
    sql_results_of_ddl: Literal["columnless", "null"] = "columnless"
    sql_store_single: bool = False
    sql_store_folder: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")] = "sql-results"
    sql_store_seconds: Seconds | None = None
    sql_needless_cancel: Literal["nothing", "state", "error"] = "nothing"
    sql_used_execution_id: Literal["executed", "refused", "ignored"] = "executed"
    sql_cancel_delay_seconds: Seconds = 0.0


SQL_LIKE_THE_SERVICE = {
    "sql_start_delay_seconds": 120.0,
    "sql_null_seconds": 5.0,
    "sql_url_delay_seconds": 5.0,
    "sql_results_of_ddl": "null",
    "sql_cancel_delay_seconds": 2.0,
}
"""The delays that sessions of the service may have."""
