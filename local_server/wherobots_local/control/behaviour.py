"""Switches: what the published description leaves open, and deviations that tests need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.validation import ControlModel, shown, validated

Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
_CloseCode = Annotated[int, Field(ge=1000, le=4999)]
_RefusalStatus = Annotated[int, Field(ge=400, le=599)]


class Behaviour(ControlModel):
    """The switches; ``docs/local-api.md`` describes each. The defaults are quick, and work with all known clients."""

    log_cursor: Literal["nanoseconds", "nanoseconds-int", "offset", "opaque"] = "nanoseconds"
    log_boundary: Literal["after", "last", "next"] = "after"
    log_next_page_when_caught_up: Literal["end", "null", "equal", "absent"] = "end"
    log_delay_seconds: Seconds = 0.0
    log_timestamp_resolution_ns: Count = 1
    log_max_size: Count = 1000
    log_oversize: Literal["cut", "refused"] = "cut"
    list_delay_seconds: Seconds = 0.0
    list_order: Literal["newest", "oldest", "none"] = "newest"
    name_filter: Literal["exact", "substring"] = "exact"
    start_delay_seconds: Seconds = 0.0
    kube_app_null_seconds: Seconds = 0.0
    cancel_delay_seconds: Seconds = 0.5
    cancel_finished_status: Literal[200, 409] = 200
    destroy_seconds: Seconds = 0.0
    timeout_as: Literal["TIMED_OUT", "FAILED", "CANCELLED"] = "TIMED_OUT"
    timeout_counts_pending: bool = False
    max_timeout_seconds: Count | None = None
    cost_delay_seconds: Seconds = 0.0
    create_status: Literal[201, 200] = 201
    synthetic_runs: bool = False

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


LIKE_THE_SERVICE: Mapping[str, Any] = {
    "start_delay_seconds": 60.0,
    "kube_app_null_seconds": 10.0,
    "list_delay_seconds": 5.0,
    "list_order": "none",
    "name_filter": "substring",
    "log_boundary": "last",
    "log_next_page_when_caught_up": "null",
    "log_delay_seconds": 20.0,
    "cancel_delay_seconds": 60.0,
    "cancel_finished_status": 409,
    "destroy_seconds": 30.0,
    "timeout_counts_pending": True,
    "cost_delay_seconds": 60.0,
    "sql_start_delay_seconds": 120.0,
    "sql_null_seconds": 5.0,
    "sql_url_delay_seconds": 5.0,
    "sql_results_of_ddl": "null",
    "sql_cancel_delay_seconds": 2.0,
}
"""Delays and missing values that the service has, or may have."""


def patched(current: Behaviour, changes: object) -> Behaviour:
    """Change switches. If one is unknown or has a wrong value, an ``ApiError`` is raised and nothing changes."""
    if not isinstance(changes, Mapping):
        raise ApiError(422, [Problem(f"body is {shown(changes)}, but must be a JSON object", "body")])
    return validated(Behaviour, {**current.model_dump(), **changes}, names=True)
