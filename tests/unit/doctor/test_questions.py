"""What each question reads from a trial, and what that means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    ConflictError,
    RateLimitedError,
    ResponseLostError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.doctor.questions import QUESTIONS, checks_of
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Exchange, Trial
from tests.unit.doctor.recorded import (
    IDS,
    PLAN,
    START,
    cancel,
    create,
    exchange,
    listed,
    metrics,
    page,
    poll,
    trial,
)

(
    CREATED,
    COMPLETED,
    CANCELLED,
    TIMED_OUT,
    LEAVES_OUT_PENDING,
    COST,
    RESPONSES,
    LISTED,
    BY_NAME,
    NEXT_PAGE,
    SIZE,
    TASK_LOG,
    LATE,
    UNUSUAL,
    ARGS,
    MACHINE,
) = (question.text for question in QUESTIONS)
ASSUMED, HANDLED, DIFFERS, NOT_CHECKED = State.ASSUMED, State.HANDLED, State.DIFFERS, State.NOT_CHECKED

OWN = list(IDS.values())
SECOND = 10**9
NS = int(START) * SECOND


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script prints twelve numbered lines in these tests, and two on standard error."""
    monkeypatch.setattr(job, "LINES", 12)
    monkeypatch.setattr(job, "ERROR_LINES", 2)


def results(*exchanges: Exchange, forwarded: Sequence[str] = ()) -> dict[str, Check]:
    return {check.name: check for check in checks_of(trial(*exchanges, forwarded=forwarded))}


def result_of(check: Check) -> tuple[str, State]:
    return check.text, check.state


def printed() -> list[str]:
    return [*(f"{job.LINE}{n}" for n in range(1, 13)), *(f"{job.ERROR_LINE}{n}" for n in (1, 2))]


def whole() -> list[tuple[str, str]]:
    """The printed lines, with times a second apart."""
    return [(str(NS + n * SECOND), raw) for n, raw in enumerate(printed(), 1)]


WHOLE = whole()
WHOLE_LOG = [(str(NS + n * SECOND), f"line {n}") for n in range(1, 15)]


def test_nothing_was_observed() -> None:
    assert {result_of(check) for check in checks_of(Trial(PLAN))} == {
        ("No run was observed that shows it.", NOT_CHECKED)
    }


def test_advice_is_given_only_if_something_differs() -> None:
    found = results(poll(LOG, "COMPLETED"), poll(TIMEOUT, "COMPLETED"))
    assert (found[COMPLETED].advice, found[COST].advice) == ("", "")
    assert "execution_timeout" in found[TIMED_OUT].advice


@pytest.mark.parametrize(
    ("payload", "expected", "state"),
    [
        ({"timeoutSeconds": 900}, "yes (region None, version None, runtime None)", ASSUMED),
        ({"timeoutSeconds": 100}, "timeoutSeconds: 900 became 100 (region", HANDLED),
    ],
)
def test_what_the_service_keeps_of_a_create(payload: dict[str, Any], expected: str, state: State) -> None:
    kept = {"runPython": {"uri": PLAN.uri, "args": [LOG]}, **payload}
    found = results(create(timeoutSeconds=900), poll(LOG, "COMPLETED", payload=kept))[CREATED]
    assert expected in found.text
    assert found.state is state


@pytest.mark.parametrize(
    ("statuses", "expected", "state"),
    [
        (("PENDING", "RUNNING", "COMPLETED"), "PENDING, RUNNING, COMPLETED", ASSUMED),
        (("PENDING", "WARMING_UP", "COMPLETED"), "PENDING, WARMING_UP, COMPLETED", HANDLED),
        (("RUNNING",), "RUNNING; it did not end in time", DIFFERS),
        (("FAILED",), "FAILED; it did not complete (no room)", DIFFERS),
    ],
)
def test_statuses(statuses: Sequence[str], expected: str, state: State) -> None:
    polls = (poll(LOG, status, kubeApp={"message": "no room"}) for status in statuses)
    assert result_of(results(*polls)[COMPLETED]) == (expected, state)


@pytest.mark.parametrize(
    ("status", "at", "expected", "state"),
    [
        ("CANCELLED", 12, "CANCELLED after 10.0 s", ASSUMED),
        ("CANCELLED", 102, "CANCELLED after 100.0 s", HANDLED),
        ("FAILED", 12, "FAILED after 10.0 s", DIFFERS),
        ("RUNNING", 400, "the run was still RUNNING after 398 s", DIFFERS),
    ],
)
def test_cancels(status: str, at: float, expected: str, state: State) -> None:
    found = results(cancel(CANCEL, at=2), poll(CANCEL, "RUNNING", at=3), poll(CANCEL, status, at=at))
    assert result_of(found[CANCELLED]) == (expected, state)


def test_a_cancel_that_is_refused() -> None:
    found = results(poll(CANCEL, "RUNNING"), cancel(CANCEL, at=2, error=ConflictError("cancelJobRun", 409)))
    assert result_of(found[CANCELLED]) == ("the cancel failed: cancelJobRun: 409: no body", DIFFERS)


@pytest.mark.parametrize(
    ("status", "code", "expected", "state"),
    [
        ("TIMED_OUT", None, "TIMED_OUT", ASSUMED),
        ("FAILED", "RUN_FAIL_EXEC", "FAILED, with the event RUN_FAIL_EXEC", ASSUMED),
        ("CANCELLED", None, "CANCELLED", ASSUMED),
        ("FAILED", None, "FAILED", DIFFERS),
        ("FAILED", "RUN_FAIL_OTHER", "FAILED, with the event RUN_FAIL_OTHER", DIFFERS),
        ("COMPLETED", None, "COMPLETED", DIFFERS),
        ("RUNNING", None, "it did not end in time", DIFFERS),
    ],
)
def test_the_status_after_a_timeout(status: str, code: str | None, expected: str, state: State) -> None:
    app: Any = {"status": "DESTROYED", "events": [{"code": code, "message": "timeout reached"}]}
    assert result_of(results(poll(TIMEOUT, status, kubeApp=app))[TIMED_OUT]) == (expected, state)


@pytest.mark.parametrize(
    ("started", "ended", "expected", "state"),
    [
        ("00:00:20", "00:00:50", "yes: it ended 50.0 s after its creation and 30.0 s after its start", ASSUMED),
        ("00:00:20", "00:00:31", "no: it ended 31.0 s after its creation and 11.0 s", HANDLED),
        (None, "00:00:30", "no: it ended 30.0 s after its creation, before it ran", HANDLED),
        ("00:00:00.5", "00:00:30.5", "too briefly to measure", NOT_CHECKED),
        ("00:00:20", None, "No run was observed that shows it", NOT_CHECKED),
    ],
)
def test_whether_a_timeout_leaves_out_the_time_pending(
    started: str | None, ended: str | None, expected: str, state: State
) -> None:
    day = "2026-01-01T"
    times: dict[str, Any] = {
        "createTime": f"{day}00:00:00Z",
        "startTime": started and f"{day}{started}Z",
        "completeTime": ended and f"{day}{ended}Z",
    }
    found = results(poll(TIMEOUT, "TIMED_OUT", **times))[LEAVES_OUT_PENDING]
    assert expected in found.text
    assert found.state is state


@pytest.mark.parametrize(("value", "expected"), [(0.5, ("yes: 0.5 USD", ASSUMED)), (None, ("no", HANDLED))])
def test_the_cost(value: float | None, expected: tuple[str, State]) -> None:
    assert result_of(results(metrics(value))[COST]) == expected


def test_calls_that_failed() -> None:
    lost = exchange(calls.get_run("x"), ResponseLostError("getJobRun", "timed out"))
    limited = exchange(calls.list_runs(name="x"), RateLimitedError("listJobRuns", 429))
    probe = exchange(calls.get_run_logs("x"), BadRequestError("getJobRunLogs", 422))
    expected = "1 x getJobRun without a response, 2 x listJobRuns 429"
    assert result_of(results(lost, limited, limited, probe)[RESPONSES]) == (expected, HANDLED)
    assert result_of(results(probe)[RESPONSES]) == ("yes", ASSUMED)


@pytest.mark.parametrize(
    ("looks", "expected", "state"),
    [
        ([(0.2, OWN)], "at once", ASSUMED),
        ([(0.2, []), (5.1, OWN)], "after 5.0 s", ASSUMED),
        ([(0.2, []), (20.1, OWN)], "after 20.0 s", DIFFERS),
        ([(0.2, ["stranger"])], "not within 60 s", DIFFERS),
    ],
)
def test_how_soon_a_run_is_listed(looks: list[tuple[float, list[str]]], expected: str, state: State) -> None:
    found = results(create(), *(listed(ids, at=at, name=PLAN.name(LOG)) for at, ids in looks))[LISTED]
    assert result_of(found) == (expected, state)


@pytest.mark.parametrize(
    ("ids", "expected", "state"),
    [
        (OWN, "yes", ASSUMED),
        ([*OWN, "stranger"], "yes, with 1 of other names", ASSUMED),
        (OWN[1:], "1 of 3 runs are missing", DIFFERS),
    ],
)
def test_the_pattern_by_which_a_retry_finds_its_run(ids: list[str], expected: str, state: State) -> None:
    assert result_of(results(listed(ids, name=f"*-{PLAN.suffix}"))[BY_NAME]) == (expected, state)


def probed(next_page: str | int, begins: int) -> Check:
    log = WHOLE_LOG
    return results(
        page(log[:5], next_page, size=5),
        page(log[begins : begins + 5], size=5, cursor=str(next_page)),
        page(log, at=1),
    )[NEXT_PAGE]


@pytest.mark.parametrize(
    ("next_page", "begins", "expected"),
    [
        (WHOLE_LOG[4][0], 5, "that of the page's last line, as text; the next page begins after it; on the last page"),
        (
            int(WHOLE_LOG[4][0]),
            4,
            "last line, as a whole number; the next page begins with lines of this page again",
        ),
        (WHOLE_LOG[4][0], 0, "begins with lines of this page again (5 of 5)"),
        (WHOLE_LOG[5][0], 5, "that of the next page's first line, as text; the next page begins with that line"),
        ("5", 5, "a number of lines, as text; the next page begins after it"),
        ("abc=", 5, "a token without a visible meaning, as text; the next page begins after it"),
        ("12345", 5, "a number of 5 digits, which is neither a time of the page nor its number of lines"),
    ],
)
def test_each_reading_of_the_cursor(next_page: str | int, begins: int, expected: str) -> None:
    found = probed(next_page, begins)
    assert expected in found.text
    assert found.state is ASSUMED


def test_a_page_that_skips_lines_or_has_others_differs() -> None:
    found = probed(WHOLE_LOG[4][0], 6)
    assert "the next page skips 1 lines" in found.text
    assert found.state is DIFFERS
    first = page(WHOLE_LOG[:5], "7", size=5)
    strange = results(first, page([("1", "never printed")], size=5), page(WHOLE_LOG, at=1))[NEXT_PAGE]
    assert strange.state is DIFFERS


@pytest.mark.parametrize(
    ("next_page", "expected"),
    [(None, "is null or absent"), ("0", "stays the same"), (0, "stays the same"), ("99", "as if there were more")],
)
def test_the_cursor_on_the_last_page(next_page: str | int | None, expected: str) -> None:
    short = (page(WHOLE_LOG[:5], "5", size=5), page(WHOLE_LOG[5:10], size=5, cursor="5"))
    assert expected in results(*short, page(WHOLE_LOG, next_page, at=1))[NEXT_PAGE].text


def test_the_last_page_is_the_first_one_that_ends_with_the_last_line() -> None:
    """An inclusive cursor repeats that line for ever, on pages of their own."""
    last = WHOLE_LOG[-1]
    short = (page(WHOLE_LOG[:5], "5", size=5), page(WHOLE_LOG[5:10], size=5, cursor="5"))
    repeated = page([last], last[0], cursor=last[0], at=2)
    assert "as if there were more" in results(*short, page(WHOLE_LOG, last[0], at=1), repeated)[NEXT_PAGE].text


def refused(size: int) -> Exchange:
    return exchange(calls.get_run_logs(IDS[LOG], "0", size), BadRequestError("getJobRunLogs", 422))


def test_sizes_of_pages() -> None:
    log = WHOLE_LOG
    assert result_of(results(page(log, size=5_000))[SIZE]) == ("14 are sent at once", ASSUMED)
    cut = results(page(log[:10], size=5_000), page(log[10:], size=5_000, cursor="x"))[SIZE]
    assert result_of(cut) == ("a page of 5,000 is cut to 10", ASSUMED)
    few = results(refused(5_000), refused(100), page(log[:10], size=10))[SIZE]
    assert result_of(few) == ("100 are refused; 10 are sent at once", DIFFERS)
    assert results(refused(100), refused(10))[SIZE].state is DIFFERS


@pytest.mark.parametrize(
    ("keep", "expected", "state"),
    [
        (slice(0, 14), "yes: 14 lines, of standard output and of standard error", ASSUMED),
        (slice(1, 14), "1 of 12 lines of standard output are missing, 1 of which came too late", DIFFERS),
        (slice(0, 13), "1 of 2 lines of standard error are missing, 1 of which came too late", DIFFERS),
        (slice(None, None, -1), "came out of order", HANDLED),
    ],
)
def test_what_a_task_log_would_lack(keep: slice, expected: str, state: State) -> None:
    found = results(poll(LOG, "COMPLETED", at=20), page(WHOLE), forwarded=printed()[keep])[TASK_LOG]
    assert expected in found.text
    assert found.state is state


def test_lines_that_come_twice_or_never_or_without_a_time() -> None:
    end = poll(LOG, "COMPLETED", at=20)
    twice = results(end, page(WHOLE), forwarded=[*printed(), printed()[0]])[TASK_LOG]
    assert result_of(twice) == ("1 lines of standard output came twice", DIFFERS)
    never = results(end, page(WHOLE[1:]), forwarded=printed()[1:])[TASK_LOG]
    assert result_of(never) == ("1 of 12 lines of standard output are missing", DIFFERS)
    made = trial(end, page(WHOLE), forwarded=printed())
    made.forwarded[0] = made.forwarded[0]._replace(time_ns=None)
    (timeless,) = (check for check in checks_of(made) if check.name == TASK_LOG)
    assert result_of(timeless) == ("1 lines have no time that can be read", DIFFERS)


@pytest.mark.parametrize(
    ("at", "expected", "state"),
    [
        (20.5, "0.6 s after the end was seen; in this run wait_post_run_logs_timeout_seconds=2 would", ASSUMED),
        (5.0, "0.0 s after", ASSUMED),
        (40.0, "20.1 s after", HANDLED),
    ],
)
def test_late_lines(at: float, expected: str, state: State) -> None:
    found = results(poll(LOG, "COMPLETED", at=20), page(WHOLE, at=at))[LATE]
    assert expected in found.text
    assert found.state is state


def test_a_last_line_that_never_comes_differs() -> None:
    assert results(poll(LOG, "COMPLETED", at=20), page(WHOLE[:11]))[LATE].state is DIFFERS


def special(*changes: tuple[str, str | None]) -> Check:
    raws = {name: job.special_line(name) for name in job.SPECIALS} | dict(changes)
    return results(page([("1", raw) for raw in ("", *raws.values()) if raw is not None]))[UNUSUAL]


def test_unusual_lines() -> None:
    assert result_of(special()) == (f"yes: {', '.join(job.SPECIALS)}, and an empty one", ASSUMED)
    long, tab = job.special_line("long")[:1_000], job.special_line("tab")
    found = special(("long", long), ("tab", tab.replace("\t", " ")), ("colour", None))
    assert found.text == "long: cut to 1,000 of 20,021 characters; tab: changed; colour: missing"
    assert found.state is HANDLED


@pytest.mark.parametrize(
    ("sent", "got", "expected", "state"),
    [
        (["a b", ""], ["a b", ""], "yes: with spaces", ASSUMED),
        (["a b", ""], ["a", "b"], 'no: ["a", "b"]', DIFFERS),
        ([], [], "unusual ones are refused", HANDLED),
    ],
)
def test_args_and_the_machine(sent: list[str], got: list[str], expected: str, state: State) -> None:
    facts = {"args": got, "python": "3.11.9", "system": "Linux x86_64", "packages": ["sedona"]}
    made = create(runPython={"uri": PLAN.uri, "args": [LOG, *sent]})
    found = results(made, page([("1", job.BEGIN + json.dumps(facts))]))
    assert expected in found[ARGS].text
    assert found[ARGS].state is state
    assert result_of(found[MACHINE]) == ("Python 3.11.9, Linux x86_64; packages: sedona", ASSUMED)
