"""The query parameters of the list and log calls: from text to checked values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_wherobots.local.api.errors import ApiError, Problem
from airflow_provider_wherobots.local.api.vocabulary import RUN_STATUSES

LIST_DEFAULT_SIZE = 50
LIST_MAX_SIZE = 100
LOGS_DEFAULT_SIZE = 100

_NAME_PATTERN = re.compile(r"[a-zA-Z0-9_.-]*\*?[a-zA-Z0-9_.-]*")
_NAME_MAX_LENGTH = 255
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

Query = Sequence[tuple[str, str]]
"""The parameters of a URL in their order, repeated ones included."""


@dataclass(frozen=True)
class ListQuery:
    """The checked parameters of List Runs; None means no filter."""

    name: str | None = None
    created_after: datetime | None = None
    statuses: frozenset[str] | None = None
    region: str | None = None
    cursor: str | None = None
    size: int = LIST_DEFAULT_SIZE


@dataclass(frozen=True)
class LogsQuery:
    """The checked parameters of Get Run Logs; ``cursor=None`` is the start of the log."""

    cursor: str | None = None
    size: int = LOGS_DEFAULT_SIZE


def parse_list_query(query: Query) -> ListQuery:
    """Check the parameters of ``GET /runs``; unknown ones are ignored.

    :param query: the parameters of the URL.
    :returns: the filters and the page wanted.
    :raises ApiError: 422 with one problem per wrong parameter.
    """
    problems: list[Problem] = []
    name = _last(query, "name")
    if name is not None and (len(name) > _NAME_MAX_LENGTH or not _NAME_PATTERN.fullmatch(name)):
        rule = f"at most {_NAME_MAX_LENGTH} letters, digits, '_', '-', '.' with at most one '*'"
        problems.append(Problem(f"name is {name!r}, but must be {rule}", "name"))
    statuses = [value for key, value in query if key == "status"]
    for status in statuses:
        if status not in RUN_STATUSES:
            rule = f"one of {', '.join(RUN_STATUSES)}"
            problems.append(Problem(f"status is {status!r}, but must be {rule}", "status"))
    parsed = ListQuery(
        name=name,
        created_after=_date_time(query, "created_after", problems),
        statuses=frozenset(statuses) or None,
        region=_last(query, "region"),
        cursor=_last(query, "cursor") or None,
        size=_integer(query, "size", LIST_DEFAULT_SIZE, LIST_MAX_SIZE, problems),
    )
    if problems:
        raise ApiError(422, problems)
    return parsed


def parse_logs_query(query: Query) -> LogsQuery:
    """Check the parameters of ``GET /runs/{run_id}/logs``; unknown ones are ignored.

    :param query: the parameters of the URL.
    :returns: the page wanted.
    :raises ApiError: 422 if ``size`` is not an integer of 0 or more.
    """
    problems: list[Problem] = []
    size = _integer(query, "size", LOGS_DEFAULT_SIZE, None, problems)
    if problems:
        raise ApiError(422, problems)
    return LogsQuery(cursor=_last(query, "cursor") or None, size=size)


def name_matches(pattern: str, name: str) -> bool:
    """Say whether a name fits a pattern with at most one ``*``; without one it must be equal."""
    head, star, tail = pattern.partition("*")
    if not star:
        return name == pattern
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


def _last(query: Query, key: str) -> str | None:
    return next((value for name, value in reversed(query) if name == key), None)


def _integer(query: Query, key: str, default: int, maximum: int | None, problems: list[Problem]) -> int:
    text = _last(query, key)
    if text is None:
        return default
    value = int(text) if _INTEGER.fullmatch(text) else -1
    if value < 0 or (maximum is not None and value > maximum):
        rule = "an integer of 0 or more" if maximum is None else f"an integer from 0 to {maximum}"
        problems.append(Problem(f"{key} is {text!r}, but must be {rule}", key))
        return default
    return value


def _date_time(query: Query, key: str, problems: list[Problem]) -> datetime | None:
    text = _last(query, key)
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        rule = "an ISO 8601 date and time, such as 2026-01-31T00:00:00Z"
        problems.append(Problem(f"{key} is {text!r}, but must be {rule}", key))
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
