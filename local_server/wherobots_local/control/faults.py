"""Fault rules: which requests get which fault. ``http/faults.py`` injects the faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from wherobots_local.api.errors import (
    CREATE_RUN,
    OBJECT_OPERATIONS,
    OPEN_SQL_SOCKET,
    OPERATIONS,
    ApiError,
    Problem,
)
from wherobots_local.api.queries import ControlModel, name_matches, shown, validated

ANY_OPERATION = "*"

_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Status = Annotated[int, Field(ge=200, le=599)]
_Printable = Annotated[str, StringConstraints(pattern=r"^[ -~]*$")]


def _not_of_the_message(name: str) -> str:
    # The server sets the length of a response. The fault ``truncate`` cuts one.
    if name.lower() in ("content-length", "transfer-encoding"):
        raise ValueError("must not be about the length of the response")
    return name


_HeaderName = Annotated[
    str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), AfterValidator(_not_of_the_message)
]


class SuddenEnd(ControlModel):
    """The connection ends. ``lose_answer``: after the request took effect; ``truncate``: after half of the response;
    ``reset``: before."""

    type: Literal["lose_answer", "truncate", "reset"]


class Hang(ControlModel):
    """The request is not handled. After ``seconds`` the connection ends."""

    type: Literal["hang"]
    seconds: Seconds = 3600.0


class Slow(ControlModel):
    """The request is handled, and the response is late."""

    type: Literal["slow"]
    seconds: Seconds = 1.0


class StatusResponse(ControlModel):
    """The request is not handled, and gets this response. ``body=None`` is an empty body; without ``body`` it is the
    API's error body."""

    type: Literal["status"]
    status: _Status
    headers: dict[_HeaderName, _Printable] = Field(default_factory=dict)
    body: Any = None
    content_type: _Printable | None = None


class HtmlResponse(ControlModel):
    """The request is not handled, and gets a page as from a gateway."""

    type: Literal["html"]
    status: _Status = 502
    headers: dict[_HeaderName, _Printable] = Field(default_factory=dict)


class FailRun(ControlModel):
    """The run is created, executes nothing, and ends FAILED with this message."""

    type: Literal["fail_run"]
    message: str


FaultAction = SuddenEnd | Hang | Slow | StatusResponse | HtmlResponse | FailRun


@dataclass(frozen=True)
class FaultTarget:
    """The request that rules are compared with."""

    operation: str
    run_id: str | None = None
    name: str | None = None


class FaultRule(ControlModel):
    """A rule. A key that is None matches anything and sets no limit."""

    operation: Literal[ANY_OPERATION, *OPERATIONS, *OBJECT_OPERATIONS, OPEN_SQL_SOCKET] = ANY_OPERATION  # type: ignore[valid-type]
    action: Annotated[FaultAction, Field(discriminator="type")]
    run_id: str | None = None
    name: str | None = None
    times: _Count | None = None
    seconds: Seconds | None = None
    after: _Count = 0
    per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _action_suits_the_operation(self) -> FaultRule:
        if self.action.type == "fail_run" and self.operation != CREATE_RUN:
            raise ValueError(f"must have the operation {CREATE_RUN} for the action fail_run")
        return self

    def matches(self, target: FaultTarget) -> bool:
        return (
            self.operation in (ANY_OPERATION, target.operation)
            and self.run_id in (None, target.run_id)
            and (self.name is None or (target.name is not None and name_matches(self.name, target.name)))
        )


class Allowance:
    """How many requests per second pass. After a pause, as many as in one second pass at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, per_second)
        self._moment = float("-inf")

    def admits(self, now: float) -> bool:
        """Count a request, and return whether it passes."""
        self._left = min(self._most, self._left + (now - self._moment) * self._per_second)
        self._moment = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass
class _Applied:
    """A rule in force, and how often it has matched."""

    rule: FaultRule
    source: dict[str, Any]
    expires_at: float | None
    allowance: Allowance | None = None
    passed: int = 0
    applied: int = 0

    def applies(self, target: FaultTarget, now: float) -> bool:
        return (
            self.rule.matches(target)
            and (self.rule.times is None or self.applied < self.rule.times)
            and (self.expires_at is None or now < self.expires_at)
        )

    def lets_pass(self, now: float) -> bool:
        """Return whether a matching request is still let through."""
        return self.passed < self.rule.after or (self.allowance is not None and self.allowance.admits(now))


class FaultRules:
    """The rules in force, in the order of their creation."""

    def __init__(self) -> None:
        self._rules: list[_Applied] = []

    def add(self, body: Any, now: float) -> None:
        """Check and add a rule. Its ``seconds`` count from ``now``, a ``time.monotonic()``."""
        rule = validated(FaultRule, body)
        expires_at = None if rule.seconds is None else now + rule.seconds
        allowance = None if rule.per_second is None else Allowance(rule.per_second)
        self._rules.append(_Applied(rule, dict(body), expires_at, allowance))

    def clear(self) -> None:
        self._rules.clear()

    def take(self, target: FaultTarget, now: float) -> FaultAction | None:
        """Return and count the fault for a request. The first rule that applies wins."""
        for known in self._rules:
            if not known.applies(target, now):
                continue
            if known.lets_pass(now):
                known.passed += 1
                continue
            known.applied += 1
            return known.rule.action
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the rules as given, with their ``passed`` and ``applied`` counts."""
        return [{**known.source, "passed": known.passed, "applied": known.applied} for known in self._rules]


Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 24 * 3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]


class Behaviour(ControlModel):
    """The switches; ``docs/api.md`` describes each. The defaults are quick, and work with all known clients."""

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
