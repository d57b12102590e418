"""Switches: what the published description leaves open, and deviations that tests need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.validation import ControlModel, shown, validated

Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]


class Behaviour(ControlModel):
    """The switches; ``docs/local-api.md`` describes each. The defaults are quick, and work with all known clients."""

    log_cursor: Literal["nanoseconds", "nanoseconds-int", "offset", "opaque"] = "nanoseconds"
    log_boundary: Literal["after", "last", "next"] = "after"
    log_next_page_when_caught_up: Literal["end", "null", "equal", "absent"] = "end"
    log_delay_seconds: Seconds = 0.0
    log_max_size: Count = 1000
    log_oversize: Literal["cut", "refused"] = "cut"
    list_delay_seconds: Seconds = 0.0
    name_filter: Literal["exact", "substring"] = "exact"
    start_delay_seconds: Seconds = 0.0
    cancel_delay_seconds: Seconds = 0.5
    cancel_finished_status: Literal[200, 409] = 200
    timeout_as: Literal["TIMED_OUT", "FAILED", "CANCELLED"] = "TIMED_OUT"
    synthetic_runs: bool = False
    runtime_memory_mib: dict[str, Count] = Field(default_factory=dict)

    sql_synthetic: bool = False
    sql_start_delay_seconds: Seconds = 0.0
    sql_max_sessions: Count | None = None
    sql_session_key: bool = True
    sql_orphan_grace_seconds: Seconds | None = 120.0
    sql_clean_close: Literal["orphans", "cancels"] = "orphans"
    sql_attach: bool = True
    sql_max_rows: Count | None = 1000
    sql_results_of_ddl: Literal["columnless", "null"] = "columnless"
    sql_needless_cancel: Literal["nothing", "state", "error"] = "nothing"
    sql_used_execution_id: Literal["executed", "refused"] = "executed"


LIKE_THE_SERVICE: Mapping[str, Any] = {
    "start_delay_seconds": 60.0,
    "list_delay_seconds": 5.0,
    "name_filter": "substring",
    "log_boundary": "last",
    "log_next_page_when_caught_up": "null",
    "log_delay_seconds": 20.0,
    "cancel_delay_seconds": 60.0,
    "cancel_finished_status": 409,
    "sql_start_delay_seconds": 120.0,
    "sql_results_of_ddl": "null",
}
"""Delays and missing values that the service has, or may have."""


def patched(current: Behaviour, changes: object) -> Behaviour:
    """Change switches. If one is unknown or has a wrong value, an ``ApiError`` is raised and nothing changes."""
    if not isinstance(changes, Mapping):
        raise ApiError(422, [Problem(f"body is {shown(changes)}, but must be a JSON object", "body")])
    return validated(Behaviour, {**current.model_dump(), **changes}, names=True)
