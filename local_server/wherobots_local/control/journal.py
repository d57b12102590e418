"""The journal of API requests and of messages to SQL sessions, for tests. Never holds a key."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from wherobots_local.api.vocabulary import CANCEL_RUN, CREATE_RUN
from wherobots_local.runs.run import timestamp, utc_now

MAX_ENTRIES = 100_000
"""The journal keeps the newest requests, at most this many; the counts include all."""

LONGEST_TEXT = 512
"""Each text of an entry is cut to this many characters."""


@dataclass(slots=True)
class JournalEntry:
    """One request, or one message that a client sent over the WebSocket of a SQL session.

    The ``method`` of a message is ``MESSAGE``. ``status`` is None if no response was sent, or not yet, and for a
    message. ``effective`` is whether a run, a SQL session or an execution was created or ended.
    """

    operation: str
    method: str
    path: str
    query: str = ""
    run_id: str | None = None
    name: str | None = None
    status: int | None = None
    fault: str | None = None
    effective: bool = False
    session_id: str | None = None
    execution_id: str | None = None
    statement: str | None = None
    time: str = field(default_factory=lambda: timestamp(utc_now()))


class Journal:
    """All requests to the API since the start or the last :meth:`clear`."""

    def __init__(self) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._received: Counter[str] = Counter()
        self._effective: Counter[str] = Counter()

    def record(self, entry: JournalEntry) -> None:
        """Add a request; its entry may still change while it is handled."""
        self._entries.append(entry)
        self._received[entry.operation] += 1

    def took_effect(self, entry: JournalEntry) -> None:
        """Note that a request or message created or ended something."""
        entry.effective = True
        self._effective[entry.operation] += 1

    def clear(self) -> None:
        self._entries.clear()
        self._received.clear()
        self._effective.clear()

    def entries_as_json(self) -> list[dict[str, Any]]:
        """Return all entries, oldest first."""
        return [asdict(entry) for entry in self._entries]

    def counts_as_json(self) -> dict[str, Any]:
        """Return how many requests came and how many took effect."""
        return {
            "creates_received": self._received[CREATE_RUN],
            "creates_effective": self._effective[CREATE_RUN],
            "cancels_received": self._received[CANCEL_RUN],
            "cancels_effective": self._effective[CANCEL_RUN],
            "operations": dict(self._received),
        }
