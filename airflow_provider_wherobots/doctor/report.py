"""The report: the checks as Markdown that can be pasted into an issue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.logs.records import make_plain

MAX_CELL_CHARS = 600


def redacted(checks: Sequence[Check], redact: Callable[[str], str]) -> list[Check]:
    """The checks with every text redacted. This comes first: a text that is escaped or cut hides a secret."""
    return [replace(check, text=redact(check.text), advice=redact(check.advice)) for check in checks]


def as_markdown(checks: Sequence[Check], moment: str) -> str:
    """The report on checks that are redacted."""
    rows = [map(_cell, (check.name, check.state, check.text, check.advice)) for check in checks]
    lines = [("check", "state", "found", "what to do"), ("---",) * 4, *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = f"{moment}. {conclusion(checks)} It contains no key; names and buckets are cut to two letters."
    return f"# Doctor's report of airflow-provider-wherobots\n\n{about}\n\n{table}\n"


def conclusion(checks: Sequence[Check]) -> str:
    """One sentence on all of it."""
    states = [check.state for check in checks]
    failed, differing = states.count(State.FAILED), states.count(State.DIFFERS)
    said = [f"{failed} {'checks' if failed > 1 else 'check'} failed"] if failed else []
    if differing:
        said.append(f"{differing} {'results differ' if differing > 1 else 'result differs'} from what is handled")
    return f"{', and '.join(said) or 'Nothing failed'}."


def _cell(text: str) -> str:
    """A text as a cell of a table: one line, and nothing in it is Markdown or HTML."""
    text = make_plain(text).replace("\n", " ")
    text = text if len(text) <= MAX_CELL_CHARS else f"{text[: MAX_CELL_CHARS - 1]}…"
    for character in "\\`*_|<>[]":
        text = text.replace(character, f"\\{character}")
    return text
