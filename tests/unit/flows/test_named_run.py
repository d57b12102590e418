"""A run that is known by its name only: which one is meant, how it is waited for, and how the wait ends."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    KeyLimitedError,
    NotFoundError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunPage
from airflow_provider_wherobots.flows.effects import Note, Sleep
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.flows.named_run import (
    NamedRun,
    await_run,
    find_newest,
    follow_named_run,
    get_created_run,
    poll_once,
)
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.run_name import Identity, durable_run_name
from airflow_provider_wherobots.xcoms import RUN_ID_KEY
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script, always, answers

NAME = "nightly.hail_stats"
SUFFIX = "-0123456789abcd"
NAMED = NamedRun(NAME, START - 60)


def options(**given: Any) -> FollowOptions:
    return FollowOptions(**{"run_id": "", "started_at": START, "poll_logs": False, **given})


def until(seconds: float) -> FollowOptions:
    return options(deadline=START + seconds, execution_timeout=seconds, limit_name="timeout")


@pytest.mark.parametrize(
    ("name", "is_meant"),
    [
        (NAME, True),
        (NAME + SUFFIX, True),
        (f"{NAME}-0123456789ABcd", False),
        (f"{NAME}-0123456789abccd", False),
        (f"{NAME}-0123456789acd", False),
        (f"{NAME}{SUFFIX}{SUFFIX}", False),
        (f"{NAME}_2026{SUFFIX}", False),
        (f"x{NAME}", False),
        (NAME.replace(".", "x"), False),
        (NAME.upper(), False),
    ],
)
def test_a_name_means_that_name_and_what_the_operator_makes_of_it(name: str, is_meant: bool) -> None:
    service = FakeService()
    service.add_run(name, START)
    found = Script(service).run(find_newest(NAMED))
    assert (found is not None) == is_meant


@given(st.text("abcXYZ019_.-", min_size=8, max_size=255))
def test_every_name_finds_the_run_that_the_operator_creates_with_it(name: str) -> None:
    service = FakeService()
    durable = durable_run_name(name, Identity("abcdef", "01234567"))
    service.add_run(durable, START)
    assert Script(service).run(find_newest(NamedRun(name, START))) is not None


def test_the_newest_of_all_pages_counts_whatever_its_status() -> None:
    service = FakeService(page_size=2)
    for age in (30, 10, 50, 20, 40):
        service.add_run(NAME, START - age, id=f"old{age}", plan=((0.0, "FAILED"),))
        service.add_run(f"{NAME}_other", START - age)
    script = Script(service)
    found = script.run(find_newest(NAMED))
    assert found is not None
    assert found.id == "old10"
    assert len(script.sent) == 5
    assert dict(script.sent[0].call.params) == {
        "name": f"{NAME}*",
        "created_after": "2025-06-15T15:05:40+00:00",
        "size": "100",
    }


def test_a_run_of_before_does_not_count_even_if_the_service_lists_it() -> None:
    early = Run.from_json({"id": "a", "name": NAME, "status": "RUNNING", "createTime": "2025-06-15T15:05:39+00:00"})
    undated = Run.from_json({"id": "b", "name": NAME, "status": "RUNNING"})
    page = RunPage((early, undated))
    assert Script(always(page)).run(find_newest(NamedRun(NAME, START))) is None
    found = Script(always(page)).run(find_newest(NamedRun(NAME, START - 100)))
    assert found is not None
    assert found.id == "a"


def test_a_run_that_does_not_exist_yet_is_waited_for_and_followed_to_its_end() -> None:
    service = FakeService(plan=((0.0, "PENDING"), (5.0, "RUNNING"), (60.0, "COMPLETED")))
    service.add_run(NAME + SUFFIX, START + 1_000, visible_at=START + 1_003, id="late")
    script = Script(service)
    outcome = script.run(follow_named_run(NAMED, options()))
    assert (outcome.ending, outcome.run_id) == (Ending.COMPLETED, "late")
    assert outcome.summary is not None
    assert outcome.summary["run_id"] == "late"
    assert script.published == [(RUN_ID_KEY, "late")]
    assert Note(logging.INFO, "Found run late (nightly.hail_stats-0123456789abcd)") in script.notes
    looks = script.sent_of("listJobRuns")
    assert len(looks) < 120, "the wait slows down"
    assert START + 1_003 <= looks[-1].at < START + 1_003 + 34
    assert script.elapsed < 1_060 + 34 + 10
    assert "cancelJobRun" not in script.operations
    assert [note for note in script.notes if note.text.startswith("Still no")] == [
        Note(
            logging.INFO,
            f"Still no run named 'nightly.hail_stats' created since 2025-06-15 15:05:40 UTC after {minutes} minutes",
        )
        for minutes in (5, 10, 15)
    ]
    first, second, *_ = script.sent_of("getJobRun")
    assert second.at - first.at < 7, "the polls of the run are as close as those of any other young run"


def test_the_deadline_ends_the_wait_with_what_was_waited_for() -> None:
    script = Script(FakeService())
    outcome = script.run(follow_named_run(NAMED, until(3_600)))
    reason = (
        "No run named 'nightly.hail_stats' created since 2025-06-15 15:05:40 UTC "
        "was found before the task's timeout (1 hour) was reached"
    )
    assert outcome == Outcome(Ending.DEADLINE, "", "", reason, ended_at=script.now)
    assert 3_600 <= script.elapsed < 3_601
    assert Outcome.from_event(outcome.to_event()) == outcome


@pytest.mark.parametrize(("timeout", "sleeps"), [(0.5, [0.5]), (13.1, [6.0, 6.5]), (19.0, [6.0, 6.05, 5.74])])
def test_the_last_look_is_at_the_deadline_whatever_the_jitter(timeout: float, sleeps: list[float]) -> None:
    script = Script(FakeService(), jitter=1.0, latency=0.0)
    assert isinstance(script.run(await_run(NAMED, until(timeout))), Outcome)
    assert script.sleeps == pytest.approx(sleeps, abs=0.01)
    assert [pause.jitter for pause in script.pauses] == [0.1] * (len(script.pauses) - 1) + [0.0]
    assert script.elapsed == pytest.approx(timeout)


def test_a_deadline_that_has_passed_allows_one_look() -> None:
    service = FakeService()
    script = Script(service, latency=0.0)
    assert isinstance(script.run(await_run(NAMED, until(0))), Outcome)
    assert (script.operations, script.sleeps) == (["listJobRuns"], [])
    service.add_run(NAME, START)
    assert isinstance(Script(service).run(await_run(NAMED, until(0))), Run)


def test_the_deadline_holds_for_the_wait_and_the_run_together_and_cancels_nothing_unless_asked() -> None:
    for cancels in (False, True):
        service = FakeService()
        service.add_run(NAME, START + 100, id="slow")
        given = options(deadline=START + 300, execution_timeout=300.0, limit_name="timeout", cancel_at_deadline=cancels)
        script = Script(service)
        outcome = script.run(follow_named_run(NAMED, given))
        assert (outcome.ending, outcome.run_id) == (Ending.DEADLINE, "slow")
        assert 300 <= script.elapsed < 310
        assert [run_id for run_id, _ in service.cancels] == (["slow"] if cancels else [])
        text = outcome.describe(limit_name="timeout")
        assert text.startswith("Run slow was still RUNNING when the task's timeout was reached: the limit is 5 minutes")
        assert script.said("The task's timeout was reached: ")
        assert "execution_timeout" not in text


@pytest.mark.parametrize("limit", [0.0, 60.0, 600.0])
def test_an_outage_beyond_the_limit_gives_up(limit: float) -> None:
    service = FakeService()
    service.fault("listJobRuns", *[Fault.ERROR_500] * 1_000)
    script = Script(service)
    outcome = script.run(await_run(NAMED, options(max_outage_seconds=limit)))
    assert isinstance(outcome, Outcome)
    reason = (
        "No run named 'nightly.hail_stats' created since 2025-06-15 15:05:40 UTC was found: "
        f"listJobRuns: 500: try later; {words.given_up(limit)}"
    )
    assert outcome == Outcome(Ending.GAVE_UP, "", "", reason, ended_at=script.sent[-1].at)
    assert limit <= script.elapsed <= limit + 10


def test_a_key_that_is_refused_for_a_minute_ends_the_wait() -> None:
    script = Script(always(AuthenticationError("listJobRuns", 401)))
    outcome = script.run(await_run(NAMED, options()))
    assert isinstance(outcome, Outcome)
    assert outcome.ending is Ending.GAVE_UP
    assert outcome.reason.endswith("was found: connection 'script': the API key is refused (listJobRuns: 401: no body)")
    assert 60 <= script.elapsed < 62


def test_a_refused_key_that_has_worked_is_an_outage() -> None:
    refused = AuthenticationError("listJobRuns", 401)
    script = Script(answers(RunPage(()), *[refused] * 100))
    outcome = script.run(await_run(NAMED, options(max_outage_seconds=300)))
    assert isinstance(outcome, Outcome)
    assert outcome.reason.endswith("given up after 5 minutes of failures (max_outage_seconds=300)")
    assert 300 <= script.elapsed < 310


def test_a_run_created_a_moment_ago_may_be_unknown_for_a_minute() -> None:
    service = FakeService(get_lag=50)
    service.add_run(NAME, START, id="new")
    assert Script(service).run(get_created_run(options(run_id="new"))).id == "new"
    script = Script(service)
    with pytest.raises(NotFoundError):
        script.run(get_created_run(options(run_id="no-such-run")))
    assert script.pauses == [Sleep(2.0, 0.2)] * 30
    assert script.notes == [
        Note(logging.INFO, "The service does not know run no-such-run; polling again for up to 1 minute")
    ]


@pytest.mark.parametrize(("seconds", "looks"), [(9.0, 6), (-1.0, 1)])
def test_a_run_that_may_be_unknown_is_looked_for_until_the_deadline(seconds: float, looks: int) -> None:
    script = Script(FakeService())
    with pytest.raises(NotFoundError):
        script.run(get_created_run(options(run_id="new", deadline=START + seconds)))
    assert len(script.sent) == looks
    script = Script(always(ServerError("getJobRun", 503)))
    with pytest.raises(ServerError):
        script.run(get_created_run(options(run_id="new", deadline=START + seconds)))
    assert script.elapsed <= max(0.0, seconds) + 0.5


def test_getting_a_run_outlasts_an_outage_within_its_limit() -> None:
    service = FakeService()
    service.add_run(NAME, START, id="it")
    service.fault("getJobRun", *[Fault.ERROR_500] * 4)
    assert Script(service).run(get_created_run(options(run_id="it"))).id == "it"


AWAY, UNKNOWN = ServerError("getJobRun", 503), NotFoundError("getJobRun", 404)
LOOKS = [pytest.param(NAMED, id="by name"), pytest.param("r1", id="by id")]


@pytest.mark.parametrize("which", LOOKS)
def test_a_look_sends_one_call_and_a_failure_of_it_is_told_once_and_tolerated(which: str | NamedRun) -> None:
    script = Script(always(AWAY))
    assert script.run(poll_once(which, options(), None)) == (None, START)
    assert script.run(poll_once(which, options(), START - 599)) == (None, START - 599)
    assert (len(script.sent), script.sleeps) == (2, [])
    assert script.notes[0] == Note(
        logging.WARNING,
        "getJobRun: 503: no body; lookups have failed since 2025-06-15 15:06:40 UTC; retrying until "
        "2025-06-15 15:16:40 UTC",
    )
    assert len(script.notes) == 2


@pytest.mark.parametrize("which", LOOKS)
def test_a_look_tolerates_refusals_for_a_minute(which: str | NamedRun) -> None:
    script = Script(always(AuthenticationError("getJobRun", 401)))
    assert script.run(poll_once(which, options(), None)) == (None, START)
    assert script.run(poll_once(which, options(), START - 59)) == (None, START - 59)
    assert "retrying until 2025-06-15 15:07:40 UTC" in script.notes[0].text


@pytest.mark.parametrize("which", LOOKS)
@pytest.mark.parametrize(
    ("error", "failing_since", "words"),
    [
        (AWAY, START - 600, "503: no body; given up after 10 minutes of failures (max_outage_seconds=600)"),
        (AuthenticationError("getJobRun", 401), START - 60, "the API key is refused"),
    ],
)
def test_a_look_fails_once_failures_have_lasted_too_long(
    which: str | NamedRun, error: WherobotsApiError, failing_since: float | None, words: str
) -> None:
    script = Script(always(error))
    with pytest.raises(WherobotsApiError) as failed:
        script.run(poll_once(which, options(), failing_since))
    assert words in str(failed.value)
    assert script.notes == []


def test_a_run_of_an_id_may_be_unknown_to_looks_for_a_minute_whatever_else_is_tolerated() -> None:
    for since in (None, START - 59):
        look = Script(always(UNKNOWN)).run(poll_once("r1", options(max_outage_seconds=0), since))
        assert look == (None, START if since is None else since)
    for which, since in (("r1", START - 60), (NAMED, START - 60)):
        with pytest.raises(NotFoundError, match=r"^getJobRun: 404: no body$"):
            Script(always(UNKNOWN)).run(poll_once(which, options(max_outage_seconds=60), since))


def test_a_look_that_is_answered_ends_the_failures_whether_there_is_a_run_or_not() -> None:
    service = FakeService()
    assert Script(service).run(poll_once(NAMED, options(), START - 599)) == (None, None)
    service.add_run(NAME, START, id="r1")
    for which in (NAMED, "r1"):
        run, failing_since = Script(service).run(poll_once(which, options(), START - 599))
        assert (run is not None, failing_since) == (True, None)


def test_a_look_that_is_not_sent_because_the_key_is_limited_is_neither_a_failure_nor_an_answer() -> None:
    for since in (None, START - 10_000):
        script = Script(always(KeyLimitedError("getJobRun", 5.0)))
        assert script.run(poll_once("r1", options(), since)) == (None, since)
        assert [note.level for note in script.notes] == [logging.INFO]
