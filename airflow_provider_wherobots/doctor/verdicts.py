"""What the doctor says: a check of the installation, and a finding about the service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended; its value is the word shown."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """A part of the installation.

    :param name: what was checked.
    :param state: how it ended.
    :param text: one sentence.
    :param advice: what to do; empty if there is nothing to do.
    """

    name: str
    state: State
    text: str
    advice: str = ""


class Verdict(StrEnum):
    """What an answer of the service means for this package; its value is the words shown."""

    ASSUMED = "as assumed"
    HANDLED = "differs, and is handled"
    DIFFERS = "differs: tell us"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Finding:
    """An open question about the service, and what it answered.

    :param question: the question.
    :param answer: what was seen.
    :param verdict: what that means.
    :param assumed: what this package assumes or handles.
    """

    question: str
    answer: str
    verdict: Verdict
    assumed: str


def not_seen(question: str, why: str, assumed: str) -> Finding:
    """A question without an answer.

    :param question: the question.
    :param why: why there is none.
    :param assumed: what this package assumes or handles.
    """
    return Finding(question, why, Verdict.NOT_SEEN, assumed)


def has_failed(checks: Iterable[Check], findings: Iterable[Finding]) -> bool:
    """Whether something must be changed: in the installation, or in this package.

    :param checks: the checks.
    :param findings: the findings.
    """
    return any(check.state is State.FAILED for check in checks) or any(
        finding.verdict is Verdict.DIFFERS for finding in findings
    )
