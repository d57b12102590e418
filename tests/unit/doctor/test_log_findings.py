from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.log_findings import log_findings
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import LOG
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict
from tests.unit.doctor.recorded import START, create, page, status, trial

CURSOR = "What is a log cursor, and where does the next page begin?"
TYPES = "Are cursors and times of a log text or numbers?"
LAST_PAGE = "What is next_page on the last page?"
SIZE = "How many lines may be requested at once?"
TASK_LOG = "Does the task log get every line once, in order?"
LATE = "How long after the end of a run do lines come?"
TIMES = "What is the time of a line: its unit, its resolution, its clock?"
LINES_IN_ORDER = "Are the lines of a page in the order in which they were printed, each once?"
UNCHANGED = "Do unusual lines arrive unchanged?"
ARGUMENTS = "Do the script's args arrive as they were sent?"
MACHINE = "What does the script run on?"

SECOND = 10**9
NS = int(START) * SECOND


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script prints twelve numbered lines in these tests, and two on standard error."""
    monkeypatch.setattr(job, "LINES", 12)
    monkeypatch.setattr(job, "ERROR_LINES", 2)


def printed() -> list[str]:
    return [*(f"{job.LINE}{n} {NS + n * SECOND}" for n in range(1, 13)), *(f"{job.ERROR_LINE}{n} {NS}" for n in (1, 2))]


def items(lines: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Lines with times a second apart."""
    return [(str(NS + n * SECOND), raw) for n, raw in enumerate(lines or printed(), 1)]


def findings(*exchanges: Exchange, forwarded: Sequence[str] | None = None) -> dict[str, Finding]:
    made = trial(printed() if forwarded is None else forwarded)
    return {found.question: found for found in log_findings(Transcript(exchanges), made)}


def probed(first: Sequence[Any], next_page: Any, second: Sequence[Any]) -> Finding:
    pages = (
        page(first, size=5, next_page=next_page),
        page(second, size=5, cursor=str(next_page)),
        page(items(), size=1_000, at=1),
    )
    return findings(*pages)[CURSOR]


WHOLE = items()


@pytest.mark.parametrize(
    ("next_page", "begins", "answer"),
    [
        (WHOLE[4][0], 5, "a time: that of the page's last line; the next page begins after it"),
        (WHOLE[4][0], 4, "that of the page's last line; the next page begins with lines of this page again (1 of 5)"),
        (WHOLE[4][0], 0, "that of the page's last line; the next page begins with lines of this page again (5 of 5)"),
        (WHOLE[5][0], 5, "a time: that of the next page's first line; the next page begins with that line"),
        ("5", 5, "a number of lines; the next page begins after it"),
        ("abc=", 5, "a token without a visible meaning; the next page begins after it"),
        ("12345", 5, "a number of 5 digits, which is neither a time of the page nor its number of lines"),
    ],
)
def test_each_reading_of_the_cursor(next_page: str, begins: int, answer: str) -> None:
    found = probed(WHOLE[:5], next_page, WHOLE[begins : begins + 5])
    assert answer in found.answer
    assert found.verdict is Verdict.ASSUMED


@pytest.mark.parametrize("begins", [6, 8])
def test_a_page_that_skips_lines_differs(begins: int) -> None:
    found = probed(WHOLE[:5], WHOLE[4][0], WHOLE[begins : begins + 5])
    assert f"the next page skips {begins - 5} lines" in found.answer
    assert found.verdict is Verdict.DIFFERS


def test_a_page_of_other_lines_differs() -> None:
    assert probed(WHOLE[:5], WHOLE[4][0], [("1", "never printed")]).verdict is Verdict.DIFFERS


def test_a_cursor_that_was_not_seen() -> None:
    assert findings(page(WHOLE))[CURSOR].verdict is Verdict.NOT_SEEN
    assert {found.verdict for found in findings().values()} == {Verdict.NOT_SEEN}


@pytest.mark.parametrize(
    ("time", "next_page", "answer", "verdict"),
    [
        (str(NS), "7", "next_page: text; current_page: text; timestamp: text", Verdict.ASSUMED),
        (NS, 7, "next_page: whole number; current_page: text; timestamp: whole number", Verdict.ASSUMED),
        (1.75e18, 7.5, "next_page: float; current_page: text; timestamp: float", Verdict.DIFFERS),
    ],
)
def test_types(time: Any, next_page: Any, answer: str, verdict: Verdict) -> None:
    found = findings(page([(time, "a")], next_page=next_page))[TYPES]
    assert (found.answer, found.verdict) == (answer, verdict)


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"next_page": None}, "null"),
        ({}, "absent"),
        ({"next_page": "0"}, "equal to the cursor that was sent"),
        ({"next_page": 0}, "equal to the cursor that was sent"),
        ({"next_page": "99"}, "a place as if there were more lines"),
    ],
)
def test_the_last_page(more: dict[str, Any], answer: str) -> None:
    found = findings(page(WHOLE, **more))[LAST_PAGE]
    assert (found.answer, found.verdict) == (answer, Verdict.ASSUMED)


def test_the_last_page_is_the_first_one_that_ends_with_the_last_line() -> None:
    """An inclusive cursor repeats that line for ever, on pages of their own."""
    last = page(WHOLE[-1:], cursor=WHOLE[-1][0], at=2, next_page=WHOLE[-1][0])
    assert findings(page(WHOLE, next_page=WHOLE[-1][0]), last)[LAST_PAGE].answer.startswith("a place as if")


def refused(size: int) -> Exchange:
    made = page([], size=size)
    return Exchange(made.operation, made.path, made.params, None, START, 0.1, 422)


def test_sizes_of_pages() -> None:
    assert findings(page(WHOLE, size=5_000))[SIZE].answer == "14 are sent at once, the whole log"
    cut = findings(page(WHOLE[:10], size=5_000), page(WHOLE[10:], size=5_000, cursor="x"))[SIZE]
    assert (cut.answer, cut.verdict) == ("a page of 5,000 is cut to 10", Verdict.ASSUMED)
    few = findings(refused(5_000), refused(100), page(WHOLE[:10], size=10))[SIZE]
    assert (few.answer, few.verdict) == ("100 are refused; 10 are sent at once, the whole log", Verdict.DIFFERS)
    assert findings(refused(100), refused(10))[SIZE].verdict is Verdict.DIFFERS


def ended(at: float = 20.0) -> Exchange:
    return status(LOG, "COMPLETED", at=at)


def test_every_line_once() -> None:
    found = findings(ended(), page(WHOLE))[TASK_LOG]
    assert (found.answer.split(":")[0], found.verdict) == ("yes", Verdict.ASSUMED)


@pytest.mark.parametrize(
    ("forwarded", "answer", "verdict"),
    [
        (
            printed()[1:],
            "1 of 12 lines of standard output are missing, 1 of which came too late",
            Verdict.DIFFERS,
        ),
        (printed()[:-1], "1 of 2 lines of standard error are missing", Verdict.DIFFERS),
        ([*printed(), printed()[0]], "1 lines of standard output came twice", Verdict.DIFFERS),
        ([*printed()[1:], printed()[0]], "lines of standard output came out of order", Verdict.HANDLED),
        ([], "12 of 12 lines of standard output are missing", Verdict.DIFFERS),
    ],
)
def test_what_a_task_log_would_lack(forwarded: list[str], answer: str, verdict: Verdict) -> None:
    found = findings(ended(), page(WHOLE), forwarded=forwarded)[TASK_LOG]
    assert answer in found.answer
    assert found.verdict is verdict


def test_a_line_that_never_came_is_not_said_to_be_late() -> None:
    found = findings(ended(), page(WHOLE[1:]), forwarded=printed()[1:])[TASK_LOG]
    assert found.answer == "1 of 12 lines of standard output are missing"


@pytest.mark.parametrize(
    ("at", "said", "verdict"),
    [
        (20.5, "0.6 s after", Verdict.ASSUMED),
        (5.0, "0.0 s after", Verdict.ASSUMED),
        (40.0, "20.1 s", Verdict.HANDLED),
    ],
)
def test_late_lines(at: float, said: str, verdict: Verdict) -> None:
    found = findings(ended(20.0), page(WHOLE, at=at))[LATE]
    assert said in found.answer
    assert found.verdict is verdict


def test_a_last_line_that_never_comes_differs() -> None:
    assert findings(ended(), page(WHOLE[:11]))[LATE].verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("times", "answer"),
    [
        ([NS + 1, NS + 2], "nanoseconds; a multiple of 1 ns; no two lines share one"),
        ([NS, NS + 5_000_000], "nanoseconds; a multiple of 5,000,000 ns; no two lines share one"),
        ([NS // 1_000, NS // 1_000 + 1], "microseconds; a multiple of 1,000 ns"),
        ([NS // 10**6, NS // 10**6 + 1], "milliseconds; a multiple of 1,000,000 ns"),
        ([NS // 10**9, NS // 10**9 + 1], "seconds; a multiple of 1,000,000,000 ns"),
        ([NS + 1, NS + 1], "up to 2 lines share one"),
        (["2026-01-01T00:00:00.001Z"] * 2, "a text such as ISO 8601"),
    ],
)
def test_times_of_lines(times: list[Any], answer: str) -> None:
    found = findings(page([(time, str(n)) for n, time in enumerate(times)]))[TIMES]
    assert answer in found.answer
    assert found.verdict is Verdict.ASSUMED


def test_the_clock_of_lines_and_a_time_that_cannot_be_read() -> None:
    behind = [(str(NS + n * SECOND + 250_000_000), f"{job.LINE}{n} {NS + n * SECOND}") for n in (1, 2, 3)]
    assert "+250 ms against the script's clock" in findings(page(behind))[TIMES].answer
    assert findings(page([("yesterday", "a")]))[TIMES].verdict is Verdict.DIFFERS


def test_order_on_a_page() -> None:
    assert findings(page(WHOLE))[LINES_IN_ORDER].answer == "in order, sorted by time"
    assert findings(page(WHOLE[::-1]))[LINES_IN_ORDER].answer == "not in order, not sorted by time"
    twice = findings(page([*WHOLE, WHOLE[0]]))[LINES_IN_ORDER]
    assert "1 lines twice on one page" in twice.answer
    assert twice.verdict is Verdict.DIFFERS


def specials() -> dict[str, str]:
    return {name: job.special_line(name) for name in job.SPECIALS}


def test_unusual_lines() -> None:
    lines = specials()
    whole = findings(page(items([*lines.values(), ""])))[UNCHANGED]
    assert (whole.answer.split(":")[0], whole.verdict) == ("yes", Verdict.ASSUMED)
    lines["long"] = lines["long"][:4_000]
    lines["tab"] = lines["tab"].replace("\t", " ")
    del lines["colour"]
    changed = findings(page(items(list(lines.values()))))[UNCHANGED]
    assert f"long: cut to 4,000 of {len(job.special_line('long')):,} characters" in changed.answer
    for part in ("tab: changed", "colour: missing", "the empty line: missing"):
        assert part in changed.answer
    assert "unicode" not in changed.answer
    assert changed.verdict is Verdict.HANDLED


def begun(args: Sequence[str]) -> list[tuple[str, str]]:
    facts = {"args": list(args), "python": "3.12.1", "system": "Linux x86_64", "cpus": 4, "packages": ["sedona"]}
    return items([job.BEGIN + json.dumps(facts)])


@pytest.mark.parametrize(
    ("sent", "got", "answer", "verdict"),
    [
        (["a b", ""], ["a b", ""], "yes", Verdict.ASSUMED),
        (["a b", ""], ["a b"], 'no: ["a b"]', Verdict.DIFFERS),
        ([], [], "unusual ones are refused", Verdict.HANDLED),
    ],
)
def test_arguments(sent: list[str], got: list[str], answer: str, verdict: Verdict) -> None:
    made = create(runPython={"uri": "s3://b/j.py", "args": [LOG, *sent]})
    found = findings(made, page(begun(got)))
    assert answer in found[ARGUMENTS].answer
    assert found[ARGUMENTS].verdict is verdict
    assert "Python 3.12.1, Linux x86_64, 4 CPUs" in found[MACHINE].answer


@pytest.mark.parametrize("line", [job.BEGIN + "{", job.BEGIN + "[]", "something else"])
def test_a_first_line_that_cannot_be_read(line: str) -> None:
    found = findings(create(), page(items([line])))
    assert found[ARGUMENTS].verdict is found[MACHINE].verdict is Verdict.NOT_SEEN


def test_answers_that_are_no_pages_are_left_out() -> None:
    broken = page([])
    documents: list[Any] = [None, {}, {"items": None}, {"items": [{}]}, {"items": ["line"]}]
    for document in documents:
        odd = Exchange(broken.operation, broken.path, broken.params, None, START, 0.1, 200, document)
        assert {found.verdict for found in findings(odd).values()} == {Verdict.NOT_SEEN}
