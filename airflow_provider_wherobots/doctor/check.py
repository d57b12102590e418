"""The doctor's checks: what one found, and the report on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from airflow_provider_wherobots.logs.records import make_plain

MAX_CELL_CHARS = 600


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
"""What was found, and how the check ended."""


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


def redacted(checks: Sequence[Check], redact: Callable[[str], str]) -> list[Check]:
    """The checks with every text redacted. Escaping and cutting come later, as both would hide a secret from this."""
    return [replace(check, text=redact(check.text), advice=redact(check.advice)) for check in checks]


def as_markdown(checks: Sequence[Check], moment: str) -> str:
    """The report in Markdown, to be pasted into an issue. The checks must be redacted."""
    rows = [map(_cell, (check.name, check.state, check.text, check.advice)) for check in checks]
    lines = [("check", "state", "found", "what to do"), ("---",) * 4, *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = f"{moment}. {conclusion(checks)} It contains no key; names and buckets are cut to two letters."
    return f"# Doctor's report of airflow-provider-wherobots\n\n{about}\n\n{table}\n"


def conclusion(checks: Sequence[Check]) -> str:
    """The result of all checks in one sentence."""
    states = [check.state for check in checks]
    failed, differing = states.count(State.FAILED), states.count(State.DIFFERS)
    parts = [f"{failed} {'checks' if failed > 1 else 'check'} failed"] if failed else []
    if differing:
        parts.append(f"{differing} {'results differ' if differing > 1 else 'result differs'} from what is handled")
    return f"{', and '.join(parts) or 'Nothing failed'}."


def _cell(text: str) -> str:
    """A text as a cell of a table: one line, without Markdown or HTML."""
    text = make_plain(text).replace("\n", " ")
    text = text if len(text) <= MAX_CELL_CHARS else f"{text[: MAX_CELL_CHARS - 1]}…"
    for character in "\\`*_|<>[]":
        text = text.replace(character, f"\\{character}")
    return text
