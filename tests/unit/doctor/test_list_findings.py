from __future__ import annotations

import pytest

from airflow_provider_wherobots.doctor.list_findings import list_findings
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import LOG
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict
from tests.unit.doctor.recorded import IDS, PLAN, create, exchange, listed, trial

SOON = "How soon does List Runs show a new run?"
SUFFIX = "Does the name filter *-suffix find the runs of a suffix, and no others?"
NAME = "Does a name without * match the whole name, or a part of it?"
ORDER = "In which order does List Runs show runs?"

OWN = list(IDS.values())
WHOLE = PLAN.name(LOG)
PATTERN = f"*-{PLAN.suffix}"


def findings(*exchanges: Exchange) -> dict[str, Finding]:
    return {found.question: found for found in list_findings(Transcript(exchanges), trial())}


def test_no_list() -> None:
    assert {found.verdict for found in findings().values()} == {Verdict.NOT_SEEN}
    unreadable = exchange("listJobRuns", "/runs", {"items": [{}]})
    assert findings(unreadable)[ORDER].verdict is Verdict.NOT_SEEN


@pytest.mark.parametrize(
    ("looks", "answer", "verdict"),
    [
        ([(0.2, OWN)], "at once", Verdict.ASSUMED),
        ([(0.2, []), (5.1, OWN)], "after 5.0 s", Verdict.ASSUMED),
        ([(0.2, []), (20.1, OWN)], "after 20.0 s", Verdict.DIFFERS),
        ([(0.2, [])], "not within 60 s", Verdict.DIFFERS),
        ([(0.2, ["stranger"])], "not within 60 s", Verdict.DIFFERS),
    ],
)
def test_how_soon_a_run_is_listed(looks: list[tuple[float, list[str]]], answer: str, verdict: Verdict) -> None:
    found = findings(create(), *(listed(ids, at=at, name=WHOLE) for at, ids in looks))[SOON]
    assert (found.answer, found.verdict) == (answer, verdict)


@pytest.mark.parametrize(
    ("ids", "answer", "verdict"),
    [
        (OWN, "yes", Verdict.ASSUMED),
        ([*OWN, "stranger"], "yes, and others (1)", Verdict.ASSUMED),
        (OWN[1:], "1 of 3 runs are missing", Verdict.DIFFERS),
        ([], "3 of 3 runs are missing", Verdict.DIFFERS),
    ],
)
def test_the_pattern_by_which_runs_are_found_again(ids: list[str], answer: str, verdict: Verdict) -> None:
    found = findings(listed(ids, name=PATTERN))[SUFFIX]
    assert (found.answer, found.verdict) == (answer, verdict)


@pytest.mark.parametrize(("part", "answer"), [([], "the whole name"), (OWN[:1], "a part of it")])
def test_a_name_without_a_star(part: list[str], answer: str) -> None:
    found = findings(listed(OWN[:1], name=WHOLE), listed(part, name=WHOLE[1:-1]))[NAME]
    assert (found.answer, found.verdict) == (answer, Verdict.ASSUMED)


def test_a_filter_that_finds_nothing_at_all_shows_nothing() -> None:
    assert findings(listed([], name=WHOLE), listed([], name=WHOLE[1:-1]))[NAME].verdict is Verdict.NOT_SEEN


@pytest.mark.parametrize(
    ("days", "answer"),
    [
        ("321", "newest first, seen on 3 runs"),
        ("123", "oldest first, seen on 3 runs"),
        ("213", "by no time, seen on 3 runs"),
        ("3221", "newest first, seen on 4 runs"),
    ],
)
def test_order(days: str, answer: str) -> None:
    created = [f"2026-01-0{day}T00:00:00Z" for day in days]
    assert findings(listed([f"run{n}" for n, _ in enumerate(days)], created=created))[ORDER].answer == answer


def test_runs_of_one_moment_have_no_order() -> None:
    assert findings(listed(OWN))[ORDER].verdict is Verdict.NOT_SEEN
