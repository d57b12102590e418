"""Unforeseen exceptions, made safe for a log or a trigger event.

The text of an exception may come from the service, a secrets backend, or a proxy with a password in its address. So it
is escaped and cut, and the user information before the ``@`` of an address is removed. Python's traceback also prints
the texts of all exceptions that led to this one. Here each has only its type and its place.
"""

from __future__ import annotations

import re
import traceback

from airflow_provider_wherobots.logs.records import make_safe
from airflow_provider_wherobots.messages.words import MAX_CHARS, quoted

MAX_FRAMES = 20
MAX_CAUSES = 5
_USER_INFO = re.compile(r"(?<=//)\S*@")


def reason_of(error: BaseException) -> str:
    """The type of an exception and its text. At most 2,000 characters."""
    message = str(error)
    text = (f"{type(error).__name__}: {message}" if message else type(error).__name__)[: 2 * MAX_CHARS]
    return quoted(_USER_INFO.sub("***@", text))


def places_of(error: BaseException) -> str:
    """Where an exception and its causes were raised: files, lines and types, no texts."""
    parts: list[str] = []
    found: BaseException | None = error
    while found is not None and len(parts) < MAX_CAUSES:
        parts.append(f"{''.join(traceback.format_tb(found.__traceback__, -MAX_FRAMES))}{type(found).__name__}")
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return make_safe("\nled to\n".join(reversed(parts)))
