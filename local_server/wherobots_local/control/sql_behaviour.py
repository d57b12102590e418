"""Switches of SQL sessions: for what no source says, and for deviations that tests need."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wherobots_local.api.validation import ControlModel

Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]


class SqlBehaviour(ControlModel):
    """The switches of SQL sessions. ``docs/local-api.md`` describes each one."""

    sql_synthetic: bool = False
    sql_start_delay_seconds: Seconds = 0.0
    sql_null_seconds: Seconds = 0.0
    sql_url_delay_seconds: Seconds = 0.0
    sql_max_sessions: Count | None = None
    sql_quota: Literal["fallback", 403, 409, 429] = "fallback"
    sql_orphan_grace_seconds: Seconds | None = 120.0
    sql_attach: bool = True
    sql_max_rows: Count | None = 1000
    sql_results_of_ddl: Literal["columnless", "null"] = "columnless"
    sql_needless_cancel: Literal["nothing", "state", "error"] = "nothing"
    sql_cancel_delay_seconds: Seconds = 0.0


SQL_LIKE_THE_SERVICE = {
    "sql_start_delay_seconds": 120.0,
    "sql_null_seconds": 5.0,
    "sql_url_delay_seconds": 5.0,
    "sql_results_of_ddl": "null",
    "sql_cancel_delay_seconds": 2.0,
}
"""The delays that sessions of the service may have."""
