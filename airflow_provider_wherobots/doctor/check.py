"""The doctor's checks: what each found, and whether one failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class State(StrEnum):
    """How a check ended; its value is shown. The last three are for questions about the service."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"

    ASSUMED = "works as assumed"
    HANDLED = "differs, and is handled"
    DIFFERS = "differs: please report it"


Reading: TypeAlias = tuple[str, State]
"""A check's text and its state."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the installation, or a question about the service, with its result."""

    name: str
    state: State
    text: str
    advice: str = ""


def has_failed(checks: Iterable[Check]) -> bool:
    """Whether the installation or this package must be changed."""
    return any(check.state in (State.FAILED, State.DIFFERS) for check in checks)
