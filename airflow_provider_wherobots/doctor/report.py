"""The report: the checks and findings as Markdown that can be pasted into an issue, and as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from airflow_provider_wherobots.doctor.verdicts import Check, Finding, State, Verdict, has_failed
from airflow_provider_wherobots.logs.records import make_plain

MAX_CELL_CHARS = 600


def redacted(
    checks: Sequence[Check], findings: Sequence[Finding], redact: Callable[[str], str]
) -> tuple[list[Check], list[Finding]]:
    """The checks and findings with every text redacted. This comes first: a text that is escaped or cut hides a secret.

    :param checks: the checks.
    :param findings: the findings.
    :param redact: removes from a text what must not be shown.
    """
    return (
        [replace(check, text=redact(check.text), advice=redact(check.advice)) for check in checks],
        [replace(finding, answer=redact(finding.answer)) for finding in findings],
    )


def as_data(checks: Sequence[Check], findings: Sequence[Finding]) -> dict[str, Any]:
    """The checks and findings as JSON-able data.

    :param checks: the checks.
    :param findings: the findings.
    """
    return {
        "failed": has_failed(checks, findings),
        "checks": [{**asdict(check), "state": check.state.value} for check in checks],
        "findings": [{**asdict(finding), "verdict": finding.verdict.value} for finding in findings],
    }


def as_markdown(checks: Sequence[Check], findings: Sequence[Finding], moment: str) -> str:
    """The report.

    :param checks: the checks, redacted.
    :param findings: the findings; empty if nothing was run.
    :param moment: when it was made.
    """
    parts = [
        "# Doctor's report of airflow-provider-wherobots",
        f"{moment}. {conclusion(checks, findings)} It contains no key; names and buckets are cut to two letters.",
        "## Installation",
        _table(
            ("check", "state", "found", "what to do"),
            [(check.name, check.state.value, check.text, check.advice) for check in checks],
        ),
    ]
    if findings:
        parts += [
            "## What the service does",
            _table(
                ("question", "answer", "verdict", "the provider assumes"),
                [(f.question, f.answer, f.verdict.value, f.assumed) for f in findings],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def conclusion(checks: Sequence[Check], findings: Sequence[Finding]) -> str:
    """One sentence on all of it.

    :param checks: the checks.
    :param findings: the findings.
    """
    failed = sum(check.state is State.FAILED for check in checks)
    differing = sum(finding.verdict is Verdict.DIFFERS for finding in findings)
    said = [f"{failed} {'checks' if failed > 1 else 'check'} failed"] if failed else []
    if differing:
        said.append(f"{differing} {'answers differ' if differing > 1 else 'answer differs'} from what is handled")
    return f"{', and '.join(said) or 'Nothing failed'}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_cell(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(text: str) -> str:
    """A text as a cell of a table: one line, and nothing in it is Markdown or HTML."""
    text = make_plain(text).replace("\n", " ")
    text = text if len(text) <= MAX_CELL_CHARS else f"{text[: MAX_CELL_CHARS - 1]}…"
    for character in "\\`*_|<>[]":
        text = text.replace(character, f"\\{character}")
    return text
