"""The journal of API requests and SQL messages, for tests. It never holds a key."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from wherobots_local.api.errors import CANCEL_RUN, CREATE_RUN
from wherobots_local.runs.run import timestamp, utc_now

MAX_ENTRIES = 100_000
"""The journal keeps the newest requests. The counts include all."""

LONGEST_TEXT = 512
"""Each text of an entry is cut to this many characters."""


@dataclass(slots=True)
class JournalEntry:
    """A request, or a message (method ``MESSAGE``) that a client sent over the WebSocket of a SQL session. ``status``
    is None without a response. ``effective`` is whether something was created or ended."""

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

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value[:LONGEST_TEXT] if isinstance(value, str) else value)


class Journal:
    def __init__(self) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._received: Counter[str] = Counter()
        self._effective: Counter[str] = Counter()

    def record(self, entry: JournalEntry) -> None:
        """Add a request. Its entry changes while it is handled."""
        self._entries.append(entry)
        self._received[entry.operation] += 1

    def took_effect(self, entry: JournalEntry) -> None:
        entry.effective = True
        self._effective[entry.operation] += 1

    def clear(self) -> None:
        self._entries.clear()
        self._received.clear()
        self._effective.clear()

    def entries_as_json(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries]

    def counts_as_json(self) -> dict[str, Any]:
        return {
            "creates_received": self._received[CREATE_RUN],
            "creates_effective": self._effective[CREATE_RUN],
            "cancels_received": self._received[CANCEL_RUN],
            "cancels_effective": self._effective[CANCEL_RUN],
            "operations": dict(self._received),
        }
