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
    """The switches of SQL sessions. ``docs/local-api.md`` describes each one."""

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
