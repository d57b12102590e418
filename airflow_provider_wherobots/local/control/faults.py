"""Fault rules: which requests get which fault. Pure; ``http/fault_actions.py`` injects the faults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wherobots.local.api.errors import ApiError, Problem
from airflow_provider_wherobots.local.api.queries import name_matches
from airflow_provider_wherobots.local.api.vocabulary import OPERATIONS

ANY_OPERATION = "*"

_RULE_KEYS = {"operation", "run_id", "name", "times", "seconds", "after", "per_second", "action"}
_ACTION_KEYS: dict[str, set[str]] = {
    "status": {"status", "headers", "body", "content_type"},
    "lose_answer": set(),
    "reset": set(),
    "hang": {"seconds"},
    "slow": {"seconds"},
    "truncate": set(),
    "html": {"status", "headers"},
}
_DEFAULT_HANG_SECONDS = 3600.0
_DEFAULT_SLOW_SECONDS = 1.0


@dataclass(frozen=True)
class FaultAction:
    """A fault: what replaces the answer or happens to it.

    :param type: ``status``, ``html``, ``reset``, ``hang`` (all not handled), ``lose_answer``, ``slow`` or
        ``truncate`` (handled first).
    :param status: HTTP status, for ``status`` and ``html``.
    :param headers: further headers, for ``status`` and ``html``.
    :param body: JSON value or text, for ``status``; None is an empty body.
    :param default_body: whether no body was given, so that the API's own error body is sent.
    :param content_type: content type, for ``status``; None for the one that fits the body.
    :param seconds: duration of ``hang`` and ``slow``.
    """

    type: str
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    default_body: bool = True
    content_type: str | None = None
    seconds: float = 0.0

    @property
    def handled(self) -> bool:
        """Whether the request takes effect before its answer goes wrong."""
        return self.type in ("lose_answer", "slow", "truncate")


@dataclass(frozen=True)
class FaultTarget:
    """The request that rules are matched against; ``name`` is that of the run to create."""

    operation: str
    run_id: str | None = None
    name: str | None = None


class Allowance:
    """How many requests a second may pass; after a pause, as many as in a second may come at once.

    :param per_second: requests a second.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = self._left = max(1.0, per_second)
        self._moment = float("-inf")

    def admits(self, now: float) -> bool:
        """Count a request, and say whether it may pass.

        :param now: the current ``time.monotonic()``.
        """
        self._left = min(self._most, self._left + (now - self._moment) * self._per_second)
        self._moment = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass
class FaultRule:
    """One rule and how often it has matched.

    :param operation: an ``operationId`` or ``*``.
    :param action: what happens to a request that matches.
    :param run_id: only requests for this run; None matches any.
    :param name: only creates of a run with this name, which may hold one ``*``; None matches any.
    :param times: how often the rule applies; None sets no limit.
    :param expires_at: ``time.monotonic()`` at which the rule ends; None keeps it.
    :param after: how many matching requests pass before the rule applies.
    :param allowance: how many matching requests pass each second after that; None lets none pass.
    """

    operation: str
    action: FaultAction
    run_id: str | None = None
    name: str | None = None
    times: int | None = None
    expires_at: float | None = None
    after: int = 0
    allowance: Allowance | None = None
    passed: int = 0
    applied: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    def matches(self, target: FaultTarget, now: float) -> bool:
        """Say whether the rule matches this request and has not expired."""
        return (
            self.operation in (ANY_OPERATION, target.operation)
            and (self.run_id is None or self.run_id == target.run_id)
            and (self.name is None or (target.name is not None and name_matches(self.name, target.name)))
            and (self.times is None or self.applied < self.times)
            and (self.expires_at is None or now < self.expires_at)
        )

    def lets_pass(self, now: float) -> bool:
        """Say whether the rule does not apply yet to a request that it matches."""
        return self.passed < self.after or (self.allowance is not None and self.allowance.admits(now))


class FaultRules:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> None:
        """Add a rule after the others."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def take(self, target: FaultTarget, now: float) -> FaultAction | None:
        """Find the fault for a request and count it; the first rule that applies wins.

        :param target: the request.
        :param now: the current ``time.monotonic()``.
        :returns: what to do to the request, or None.
        """
        for rule in self._rules:
            if not rule.matches(target, now):
                continue
            if rule.lets_pass(now):
                rule.passed += 1
                continue
            rule.applied += 1
            return rule.action
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the rules as they were given, each with ``passed`` and ``applied`` counts."""
        return [{**rule.source, "passed": rule.passed, "applied": rule.applied} for rule in self._rules]


def parse_rule(body: object, now: float) -> FaultRule:
    """Check a rule.

    :param body: the decoded JSON.
    :param now: the current ``time.monotonic()``, from which ``seconds`` counts.
    :returns: the rule.
    :raises ApiError: 422 if anything about it is wrong.
    """
    rule = _object(body, "body", _RULE_KEYS)
    operation = rule.get("operation", ANY_OPERATION)
    if operation not in (ANY_OPERATION, *OPERATIONS):
        raise _wrong("operation", operation, f"* or one of {', '.join(OPERATIONS)}")
    seconds = _number(rule, "seconds", "seconds", None)
    per_second = _number(rule, "per_second", "per_second", None)
    if per_second == 0:
        raise _wrong("per_second", per_second, "a number greater than 0")
    return FaultRule(
        operation=operation,
        action=_action(rule.get("action")),
        run_id=_text(rule, "run_id", "run_id"),
        name=_text(rule, "name", "name"),
        times=_count(rule, "times", None),
        expires_at=None if seconds is None else now + seconds,
        after=_count(rule, "after", 0) or 0,
        allowance=None if per_second is None else Allowance(per_second),
        source=rule,
    )


def _action(body: object) -> FaultAction:
    kind = body.get("type") if isinstance(body, Mapping) else None
    if kind not in _ACTION_KEYS:
        raise _wrong("action", body, f'an object with a "type" out of {", ".join(_ACTION_KEYS)}')
    action = _object(body, "action", {"type", *_ACTION_KEYS[kind]})
    default_seconds = {"hang": _DEFAULT_HANG_SECONDS, "slow": _DEFAULT_SLOW_SECONDS}.get(kind, 0.0)
    return FaultAction(
        type=kind,
        status=_status(action, 502 if kind == "html" else None) if kind in ("status", "html") else 500,
        headers=_headers(action.get("headers")),
        body=action.get("body"),
        default_body="body" not in action,
        content_type=_text(action, "content_type", "action.content_type"),
        seconds=_number(action, "seconds", "action.seconds", default_seconds) or 0.0,
    )


def _object(body: object, where: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise _wrong(where, body, "a JSON object")
    unknown = sorted(set(body) - known)
    if unknown:
        raise ApiError(422, [Problem(unknown_keys(where, unknown, sorted(known)), where)])
    return dict(body)


def unknown_keys(where: str, unknown: Iterable[str], known: Iterable[str]) -> str:
    """Name the keys of a JSON object that are not known.

    :param where: the object.
    :param unknown: its unknown keys.
    :param known: the known keys.
    """
    return f"{where} has unknown keys: {', '.join(unknown)}. Known keys: {', '.join(known)}"


def _status(action: dict[str, Any], default: int | None) -> int:
    value = action.get("status", default)
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise _wrong("action.status", value, "an HTTP status from 200 to 599")
    return value


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise _wrong("action.headers", value, "an object of strings")
    for text in (*value, *value.values()):
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise _wrong("action.headers", value, "an object of strings of printable ASCII")
    return tuple(value.items())


def _text(values: dict[str, Any], key: str, where: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(where, value, "a string")
    return value


def _count(values: dict[str, Any], key: str, default: int | None) -> int | None:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(key, value, "an integer of 0 or more")
    return value


def _number(values: dict[str, Any], key: str, where: str, default: float | None) -> float | None:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _wrong(where, value, "a number of 0 or more")
    return float(value)


def _wrong(where: str, value: object, rule: str) -> ApiError:
    return ApiError(422, [Problem(f"{where} is {value!r}, but must be {rule}", where)])
