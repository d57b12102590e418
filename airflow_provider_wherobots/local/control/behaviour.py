"""Switches: what the published description leaves open, and deviations for tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from airflow_provider_wherobots.local.api.errors import ApiError, Problem

_CHOICES: dict[str, tuple[object, ...]] = {
    "log_cursor": ("nanoseconds", "nanoseconds-int", "offset", "opaque"),
    "log_boundary": ("after", "last", "next"),
    "log_next_page_when_caught_up": ("end", "null", "equal", "absent"),
    "cancel_finished_status": (200, 409),
    "timeout_as": ("TIMED_OUT", "FAILED", "CANCELLED"),
    "create_status": (201, 200),
}
_BOOLEANS = ("synthetic_runs",)
_POSITIVE_INTEGERS = ("log_timestamp_resolution_ns", "log_max_size")
_OPTIONAL_INTEGERS = ("max_timeout_seconds",)


@dataclass(frozen=True)
class Behaviour:
    """The switches of the server; the defaults are what the service is believed to do.

    :param log_cursor: what a log cursor is. ``nanoseconds``: the timestamp of a line as a string.
        ``nanoseconds-int``: the same, with timestamps and cursors as JSON integers. ``offset``: the number of the
        next line. ``opaque``: a token; default nanoseconds.
    :param log_boundary: which line's timestamp ``next_page`` is. ``after``: that of the last line shown, and the next
        page begins after it. ``last``: the same, but the next page begins with that line again. ``next``: that of the
        first line not shown yet. Default after.
    :param log_next_page_when_caught_up: ``next_page`` when there is no further line: ``end`` (of the log, as if there
        were one), ``null``, ``equal`` (to the cursor sent) or ``absent``; default end.
    :param log_delay_seconds: how long after it was read a line becomes visible; default 0.
    :param log_timestamp_resolution_ns: timestamps are rounded down to a multiple of it, in nanoseconds; default 1.
    :param log_max_size: the most lines on one page; a larger ``size`` is cut to it silently; default 1000.
    :param list_delay_seconds: how long after its creation a run shows up in List Runs; default 0.
    :param cancel_delay_seconds: how long after an accepted cancel the run is really ended; default 0.5.
    :param cancel_finished_status: answer to the cancel of a run that has ended: 200 or 409; default 200.
    :param timeout_as: status of a run that exceeded ``timeoutSeconds``: ``TIMED_OUT``, ``FAILED`` (with a
        RUN_FAIL_EXEC event) or ``CANCELLED``; default TIMED_OUT.
    :param destroy_seconds: how long after the end of a cancelled run ``kubeApp.status`` stays DESTROYING; default 0.
    :param create_status: status of a successful create: 201 or 200; default 201.
    :param start_delay_seconds: how long a run stays PENDING before it starts; default 0.
    :param max_timeout_seconds: a larger ``timeoutSeconds`` is cut to it silently; None for no limit;
        default None.
    :param synthetic_runs: whether created runs get no process and change only through the control surface;
        default False.
    """

    log_cursor: str = "nanoseconds"
    log_boundary: str = "after"
    log_next_page_when_caught_up: str = "end"
    log_delay_seconds: float = 0.0
    log_timestamp_resolution_ns: int = 1
    log_max_size: int = 1000
    list_delay_seconds: float = 0.0
    cancel_delay_seconds: float = 0.5
    cancel_finished_status: int = 200
    timeout_as: str = "TIMED_OUT"
    destroy_seconds: float = 0.0
    create_status: int = 201
    start_delay_seconds: float = 0.0
    max_timeout_seconds: int | None = None
    synthetic_runs: bool = False


def patched(current: Behaviour, changes: object) -> Behaviour:
    """Change some of the switches.

    :param current: the behaviour so far.
    :param changes: JSON object of the switches to change.
    :returns: the new behaviour.
    :raises ApiError: 422 with one problem per unknown switch or wrong value; nothing is changed then.
    """
    if not isinstance(changes, Mapping):
        raise ApiError(422, [Problem(f"body is {changes!r}, but must be a JSON object", "body")])
    known = {item.name for item in fields(Behaviour)}
    problems = [
        Problem(
            f"there is no switch {key}. Switches: {', '.join(sorted(known))}"
            if key not in known
            else f"{key} is {value!r}, but must be {_rule(key)}",
            key,
        )
        for key, value in changes.items()
        if key not in known or not _allowed(key, value)
    ]
    if problems:
        raise ApiError(422, problems)
    return replace(current, **dict[str, Any](changes))


def _allowed(key: str, value: object) -> bool:
    if key in _BOOLEANS:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if key in _CHOICES:
        return value in _CHOICES[key]
    if key in _OPTIONAL_INTEGERS and value is None:
        return True
    if key in _POSITIVE_INTEGERS or key in _OPTIONAL_INTEGERS:
        return isinstance(value, int) and value >= 1
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _rule(key: str) -> str:
    if key in _BOOLEANS:
        return "true or false"
    if key in _CHOICES:
        return f"one of {', '.join(map(str, _CHOICES[key]))}"
    if key in _OPTIONAL_INTEGERS:
        return "an integer of 1 or more, or null"
    return "an integer of 1 or more" if key in _POSITIVE_INTEGERS else "a number of 0 or more"
