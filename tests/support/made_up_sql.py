"""Statements whose text says what the synthetic engine does with them, so that a test needs no call for each."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.sql_control import HeldAnswer, reachable_sql
from wherobots_local.sql.synthetic import Answers, SyntheticAnswer

_ROWS = re.compile(r"(?:SELECT )?ROWS (\d{1,7})", re.IGNORECASE)
_SLEEP = re.compile(r"(?:SELECT )?SLEEP (\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
_FAIL = re.compile(r"FAIL (.+)", re.IGNORECASE | re.DOTALL)
_HOLD = re.compile(r"(?:SELECT )?HOLD", re.IGNORECASE)
_NUMBER = re.compile(r"SELECT (-?\d{1,18})(?: (?:AS )?(\w+))?", re.IGNORECASE)


def answer_in(statement: str) -> SyntheticAnswer:
    """Read the answer: ``ROWS 1500``, ``SLEEP 5``, ``FAIL text``, ``HOLD``, ``SELECT 7 AS n``. ``SELECT`` can precede
    what has a result. Every other statement succeeds without a result."""
    text = statement.strip().removesuffix(";").strip()
    if match := _ROWS.fullmatch(text):
        number = int(match[1])
        return SyntheticAnswer({"id": range(number), "name": [f"row {index}" for index in range(number)]})
    if match := _SLEEP.fullmatch(text):
        return SyntheticAnswer({"slept": [float(match[1])]}, seconds=float(match[1]))
    if match := _FAIL.fullmatch(text):
        return SyntheticAnswer(error=match[1])
    if match := _NUMBER.fullmatch(text):
        return SyntheticAnswer({match[2] or match[1]: [int(match[1])]})
    return HeldAnswer({"held": [True]}) if _HOLD.fullmatch(text) else SyntheticAnswer()


@contextmanager
def made_up_answers() -> Iterator[None]:
    """Let the servers in this process answer such statements, unless a test has set another answer."""
    given_to = Answers.to

    def to(self: Answers, statement: str) -> SyntheticAnswer:
        is_given = any(part.casefold() in statement.casefold() for part, _ in self.given)
        return given_to(self, statement) if is_given else answer_in(statement)

    with pytest.MonkeyPatch.context() as patched, reachable_sql():
        patched.setattr(Answers, "to", to)
        yield
