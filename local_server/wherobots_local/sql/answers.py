"""What the synthetic engine answers: set by tests, or by the statement itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ROWS = re.compile(r"ROWS (\d{1,7})", re.IGNORECASE)
_SLEEP = re.compile(r"SLEEP (\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
_FAIL = re.compile(r"FAIL (.+)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"SELECT (-?\d{1,18})(?: (?:AS )?(\w+))?", re.IGNORECASE)


@dataclass(frozen=True)
class SyntheticAnswer:
    """What a statement does.

    ``columns`` is None for a statement without a result, such as DDL. Geometries are given as EWKT. A ``held``
    statement waits after ``seconds`` until it is released.
    """

    columns: Mapping[str, Sequence[Any]] | None = None
    geometry: Sequence[str] = ()
    error: str = ""
    seconds: float = 0.0
    held: bool = False


def _said_by(text: str) -> SyntheticAnswer:
    """Read what a statement does from its text: ``ROWS 1500``, ``SLEEP 5``, ``FAIL text``, ``HOLD``, ``SELECT 7 AS n``.
    Every other statement succeeds without a result."""
    if match := _ROWS.fullmatch(text):
        number = int(match[1])
        return SyntheticAnswer({"id": range(number), "name": [f"row {index}" for index in range(number)]})
    if match := _SLEEP.fullmatch(text):
        return SyntheticAnswer({"slept": [float(match[1])]}, seconds=float(match[1]))
    if match := _FAIL.fullmatch(text):
        return SyntheticAnswer(error=match[1])
    if match := _NUMBER.fullmatch(text):
        return SyntheticAnswer({match[2] or match[1]: [int(match[1])]})
    return SyntheticAnswer({"held": [True]}, held=True) if text.upper() == "HOLD" else SyntheticAnswer()


@dataclass
class Answers:
    """The answers that tests gave, in their order, and the gates at which held statements wait."""

    given: list[tuple[str, SyntheticAnswer]] = field(default_factory=list)
    _waiting: list[tuple[str, asyncio.Event]] = field(default_factory=list)

    def give(self, statement: str, answer: SyntheticAnswer) -> None:
        """Set what a statement does that contains a text, in any case, before all earlier answers."""
        self.given.insert(0, (statement, answer))

    def to(self, statement: str) -> SyntheticAnswer:
        for part, answer in self.given:
            if part.casefold() in statement.casefold():
                return answer
        return _said_by(statement.strip().removesuffix(";").strip())

    def release(self, part: str = "") -> None:
        """Let statements continue that wait now: those that contain a text, in any case."""
        for statement, gate in self._waiting:
            if part.casefold() in statement.casefold():
                gate.set()

    async def wait(self, statement: str) -> None:
        waiting = statement, asyncio.Event()
        self._waiting.append(waiting)
        try:
            await waiting[1].wait()
        finally:
            self._waiting.remove(waiting)
