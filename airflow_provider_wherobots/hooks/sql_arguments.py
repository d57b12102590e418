"""The rules of the SQL hook's arguments. Each may be empty, as in a field of a connection, which takes the default."""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.sessions import is_session_id
from airflow_provider_wherobots.exceptions import WherobotsArgumentException, WherobotsException, without_retry

SESSION_WAIT_SECONDS = 900.0


def refused(text: str) -> WherobotsException:
    """Make the exception for a wrong argument or use, which no retry mends."""
    return without_retry(WherobotsArgumentException(text))


def plain(value: Any) -> Any:
    """The value of an enum, such as the official provider's; None for an empty field of a connection."""
    value = value.value if isinstance(value, Enum) else value
    return None if value == "" else value


def checked_wait(seconds: Any) -> float:
    if seconds is None:
        return SESSION_WAIT_SECONDS
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise InvalidArgumentError(f"session_wait_timeout={seconds!r}: must be a number of seconds above 0")
    return float(seconds)


def checked_session_id(session_id: Any) -> str | None:
    if session_id is not None and not is_session_id(session_id):
        raise InvalidArgumentError(f"session_id={session_id!r}: must be the id of a SQL session, or None")
    return None if session_id is None else str(session_id)


def checked_choice(argument: str, value: Any, choices: tuple[str, ...]) -> str:
    """The first choice is the default."""
    value = plain(value) or choices[0]
    if value not in choices:
        raise InvalidArgumentError(f"{argument}={value!r}: must be {', '.join(choices[:-1])} or {choices[-1]}")
    return str(value)
