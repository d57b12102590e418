"""What the doctor has found out about one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class State(StrEnum):
    """How a check ended; its value is the word shown. The second part is for questions about the service."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"

    ASSUMED = "works as assumed"
    HANDLED = "differs, and is handled"
    DIFFERS = "differs: please report it"


Reading: TypeAlias = tuple[str, State]
"""What was found, and how the check ended."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was checked, or a question to which the service has responded."""

    name: str
    state: State
    text: str
    advice: str = ""


def has_failed(checks: Iterable[Check]) -> bool:
    """Whether something must be changed: in the installation, or in this package."""
    return any(check.state in (State.FAILED, State.DIFFERS) for check in checks)
