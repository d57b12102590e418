import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    NotSentError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.submit import UnclearCreateError
from airflow_provider_wherobots.logs.causes import Found
from airflow_provider_wherobots.runs.outcome import Ending, Outcome, describe_no_run
from airflow_provider_wherobots.words import make_safe

URL = "https://cloud.wherobots.com/runs/r1"


def run(status: str, **fields: Any) -> Run:
    return Run.from_json({"id": "r1", "status": status, **fields})


@given(
    st.builds(
        Outcome,
        st.sampled_from(Ending),
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.floats(0, 1e12),
        st.none() | st.dictionaries(st.text(), st.none() | st.text() | st.floats(0, 1e12)),
        st.none() | st.text(),
        st.floats(0, 1e12),
    )
)
def test_an_outcome_survives_its_way_as_an_event(outcome: Outcome) -> None:
    assert type(outcome.to_event()["ending"]) is str, "Airflow serializes it without knowing the enum"
    event = json.loads(json.dumps(outcome.to_event()))
    assert Outcome.from_event(event) == outcome


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "completed",
        {"ending": "completed"},
        {"ending": ["completed"], "run_id": "r1", "status": "COMPLETED"},
        {"status": "COMPLETED", "run_id": "r1"},
    ],
)
def test_anything_else_is_no_event(event: Any) -> None:
    with pytest.raises(ValueError, match="event cannot be read"):
        Outcome.from_event(event)


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ("COMPLETED", Ending.COMPLETED),
        ("FAILED", Ending.FAILED),
        ("CANCELLED", Ending.CANCELLED),
        ("TIMED_OUT", Ending.TIMED_OUT),
        ("RUNNING", Ending.GAVE_UP),
        ("EVAPORATED", Ending.GAVE_UP),
    ],
)
def test_an_ending_of_a_later_version_is_derived_from_the_status(status: str, ending: Ending) -> None:
    outcome = Outcome.from_event({"ending": "paused", "run_id": "r1", "status": status, "reason": "by hand"})
    assert (outcome.ending, outcome.run_id, outcome.status) == (ending, "r1", status)
    said = (
        "by hand"
        if ending is Ending.COMPLETED
        else "the triggerer has a later version of this provider, which reports 'paused': by hand"
    )
    assert outcome.reason == said
    event = {"ending": "paused", "run_id": "r1", "status": status}
    assert Outcome.from_event(event).reason == said.removesuffix("by hand").removesuffix(": ")


@pytest.mark.parametrize(
    ("found", "ending"),
    [
        (run("COMPLETED"), Ending.COMPLETED),
        (run("FAILED"), Ending.FAILED),
        (run("TIMED_OUT"), Ending.TIMED_OUT),
        (run("CANCELLED"), Ending.CANCELLED),
        (run("FAILED", kubeApp={"status": "DEPLOY_FAILED"}), Ending.NOT_STARTED),
        (run("EVAPORATED", completeTime="2026-07-21T08:00:00Z"), Ending.FAILED),
        (run("FAILED", kubeApp={"events": [{"code": "RUN_FAIL_EXEC", "message": "Timeout of 5 s"}]}), Ending.TIMED_OUT),
    ],
)
def test_the_ending_of_each_status(found: Run, ending: Ending) -> None:
    outcome = Outcome.of_run(found, 5.0)
    assert (outcome.ending, outcome.run_id, outcome.status) == (ending, "r1", found.status)
    assert outcome.ended_at == 5.0


def test_a_completed_run_needs_no_reason() -> None:
    assert Outcome.of_run(run("COMPLETED", kubeApp={"message": "all good"}), 0.0).reason == ""


@pytest.mark.parametrize(("seconds", "used_up"), [(59, False), (60, True), (75, True)])
def test_a_cancelled_run_that_had_used_up_its_time_says_so(seconds: int, used_up: bool) -> None:
    found = run(
        "CANCELLED",
        startTime="2026-07-21T08:00:00Z",
        completeTime=f"2026-07-21T08:{seconds // 60:02}:{seconds % 60:02}Z",
        payload={"timeoutSeconds": 60},
    )
    assert ("used up its timeout_seconds" in Outcome.of_run(found, 0.0).reason) is used_up


@pytest.mark.parametrize("fields", [{}, {"payload": {"timeoutSeconds": 60}}, {"payload": {"timeoutSeconds": "60"}}])
def test_a_cancelled_run_without_times_has_no_such_reason(fields: dict[str, Any]) -> None:
    assert Outcome.of_run(run("CANCELLED", **fields), 0.0).reason == ""


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending.COMPLETED, "Run r1 completed"),
        (Ending.FAILED, "Run r1 failed (FAILED)"),
        (Ending.TIMED_OUT, "Run r1 was ended by its timeout_seconds (FAILED)"),
        (Ending.CANCELLED, "Run r1 was cancelled on the service's side"),
        (Ending.DEADLINE, "Run r1 was still FAILED when the task's execution_timeout was reached"),
        (
            Ending.GAVE_UP,
            "Run r1 (FAILED) can no longer be followed. It stays active; a retry of the task re-attaches to it",
        ),
    ],
)
def test_every_ending_has_its_words_with_reason_address_and_log(ending: Ending, words: str) -> None:
    assert Outcome(ending, "r1", "FAILED").describe() == words
    full = Outcome(ending, "r1", "FAILED", "exit code 1", "last\nlines")
    what, stop, left = words.partition(". ")
    said = f"{what}: exit code 1{stop}{left}\nRun: {URL}"
    assert full.describe(URL) == f"{said}\nThe end of its log:\nlast\nlines"
    assert replace(full, log_is_cut=True).describe(URL) == f"{said}\nIts log, as far as it could be read:\nlast\nlines"


def test_the_probable_cause_stands_before_the_log() -> None:
    cause = Found("out of memory", "MemoryError", "Request a larger runtime")
    then = "A retry gets runtime small instead of tiny"
    outcome = Outcome(Ending.FAILED, "r1", "FAILED", "exit code 137", "last line", cause=cause, next_try=then)
    assert f": exit code 137\n{cause}\n{then}\nRun: {URL}\nThe end of its log:" in outcome.describe(URL)


def test_what_becomes_of_a_run_that_can_no_longer_be_followed_is_said() -> None:
    assert Outcome(Ending.GAVE_UP, "r1", "X").describe(left="It is cancelled") == (
        "Run r1 (X) can no longer be followed. It is cancelled"
    )


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_whatever_the_service_calls_things_the_exception_can_carry_it(message: str, run_id: str, status: str) -> None:
    found = Run.from_json({"id": run_id * 500, "status": status * 500, "kubeApp": {"message": message * 5_000}})
    said = Outcome.of_run(found, 0.0).describe()
    assert make_safe(said) == said
    assert len(said) <= 3_000


UNCLEAR = UnclearCreateError("createJobRun", "It is unclear whether the run was created")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            NotSentError("createJobRun", "Connection refused"),
            "Creating the run failed: Connection refused. No run was created: given up after 10 minutes of failures "
            "(max_outage_seconds=600)",
        ),
        (
            ServerError("listJobRuns", 503),
            "Listing runs failed: 503: no body; given up after 10 minutes of failures (max_outage_seconds=600). "
            "The run may exist",
        ),
        (AuthenticationError("listJobRuns", 401), "Listing runs failed: 401: no body. The run may exist"),
        (UNCLEAR, "It is unclear whether the run was created. The run may exist"),
    ],
)
def test_a_try_without_a_run_says_what_a_retry_does(error: WherobotsApiError, words: str) -> None:
    assert words in describe_no_run(error, 600, again="The run may exist")


def test_a_refusal_speaks_for_itself() -> None:
    assert (
        describe_no_run(BadRequestError("createJobRun", 400), 600, again="") == "Creating the run failed: 400: no body"
    )


@pytest.mark.parametrize(
    ("cause", "reason", "summary", "short"),
    [
        (
            Found(
                "out of memory", "The executor with id 3 exited with exit code 137(SIGKILL, possible container OOM)", ""
            ),
            "exit code 1",
            {"cost_usd": 1.22},
            "FAILED; out of memory (The executor with id 3 exited with exit code 137(SIGKILL, possible container OOM))"
            "; run r1; 1.22 USD; A retry gets runtime small instead of tiny",
        ),
        (None, "no nodes; token=abc", {"cost_usd": None}, "FAILED; no nodes; token=***; run r1"),
        (None, "", None, "FAILED; run r1"),
    ],
)
def test_an_outcome_in_short(cause: Found | None, reason: str, summary: dict[str, Any] | None, short: str) -> None:
    then = "A retry gets runtime small instead of tiny" if cause else ""
    outcome = Outcome(Ending.FAILED, "r1", "FAILED", reason, "tail", summary=summary, cause=cause, next_try=then)
    assert outcome.in_short() == short
