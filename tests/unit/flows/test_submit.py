"""Design: exactly one run per attempt."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ResponseLostError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunPage
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, REFUSED_SECONDS
from airflow_provider_wherobots.flows.submit import (
    LOOK_AGAIN_DELAYS,
    Decision,
    FoundRuns,
    NotReplacedError,
    Rules,
    Submission,
    UnclearCreateError,
    differing_fields,
    kind_found,
    submit_run,
)
from airflow_provider_wherobots.io.base import Note
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script, always, answers, by_operation

IDENTITY = Identity("abcdef", "01234567")
SUFFIX = IDENTITY.suffix
NAME = f"hail_stats{SUFFIX}"
PAYLOAD: dict[str, Any] = {"name": NAME, "runPython": {"uri": "s3://b/j.py"}}
UNCLEAR = [fault for fault in Fault if fault not in (Fault.NOT_ARRIVED, Fault.RATE_LIMITED)]
FIRST = Memory(IDENTITY, 0, Past.NOTHING)
"""That of the first try of a round."""
RETRY = Memory(IDENTITY, 0, Past.KNOWN, has_looked=True)
CLEARED = Memory(IDENTITY, 3, Past.NOTHING, passed_over=("run0",))
UNKNOWN = Memory(IDENTITY, 0, Past.UNKNOWN)
UNCLEAR_WITH_EFFECT = [fault for fault in UNCLEAR if fault.has_effect]
UNCLEAR_WITHOUT_EFFECT = [fault for fault in UNCLEAR if not fault.has_effect]


def submit(
    service: Any, payload: dict[str, Any] = PAYLOAD, memory: Memory | None = FIRST, **options: Any
) -> tuple[Submission, Script]:
    script = Script(service)
    submission = script.run(submit_run, payload, memory=memory, **options)
    assert isinstance(submission, Submission)
    return submission, script


def test_an_undisturbed_first_try_looks_creates_and_says_nothing() -> None:
    service = FakeService()
    submission, script = submit(service, region="aws-us-west-2", command="nightly.hail")
    assert (submission.run.id, submission.reattached) == ("run0", False)
    assert script.operations == ["listJobRuns", "createJobRun"]
    assert (script.sent[1].call.params, script.sent[1].call.command) == (
        (("region", "aws-us-west-2"),),
        "nightly.hail",
    )
    assert (script.told, script.sleeps) == ([], [])


def test_the_body_is_a_detail_of_the_log_before_it_is_sent_and_its_secrets_are_hidden() -> None:
    payload = PAYLOAD | {"runPython": {"uri": "s3://b/j.py", "args": ["--token", "x7"]}}
    _, script = submit(FakeService(), payload)
    (note,) = script.notes
    assert note.level == logging.DEBUG
    body = json.loads(note.text.removeprefix("The create request: "))
    assert body == PAYLOAD | {"runPython": {"uri": "s3://b/j.py", "args": ["--token", "***"]}}
    assert script.sent_of("createJobRun")[0].call.json == payload


@pytest.mark.parametrize("fault", [Fault.NOT_ARRIVED, Fault.RATE_LIMITED])
@pytest.mark.parametrize("durable", [True, False])
def test_a_create_that_surely_did_not_arrive_is_repeated_without_another_look(fault: Fault, durable: bool) -> None:
    service = FakeService()
    service.fault("createJobRun", fault, fault, retry_after="5.2")
    submission, script = submit(service, memory=FIRST if durable else None)
    assert script.operations == [*(["listJobRuns"] if durable else []), *["createJobRun"] * 3]
    assert script.sleeps == pytest.approx([5.2, 5.2] if fault is Fault.RATE_LIMITED else [1.0, 2.0])
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id]


@pytest.mark.parametrize("fault", UNCLEAR_WITH_EFFECT)
@pytest.mark.parametrize("list_lag", [0.0, 3.0, 29.0])
def test_a_create_whose_answer_was_lost_is_looked_up_by_name_and_adopted(fault: Fault, list_lag: float) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", fault)
    submission, script = submit(service)
    assert script.operations.count("createJobRun") == 1
    assert (submission.run.id, submission.reattached) == ("run0", False)
    assert service.cancels == []
    lost, found = script.told
    assert lost.level == logging.WARNING
    assert lost.text.endswith("; the run may exist. Looking it up by its name")
    assert found == Note(logging.INFO, "Found run run0: the create request had succeeded, only its response was lost")


@pytest.mark.parametrize("fault", UNCLEAR_WITHOUT_EFFECT)
def test_a_create_that_left_no_run_is_repeated_after_half_a_minute_of_looking(fault: Fault) -> None:
    service = FakeService()
    service.fault("createJobRun", fault)
    submission, script = submit(service)
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id]
    assert script.operations == ["listJobRuns", "createJobRun", *["listJobRuns"] * 8, "createJobRun"]
    first, second = script.sent_of("createJobRun")
    assert second.at - first.at >= 30
    assert sum(LOOK_AGAIN_DELAYS) == 30


@pytest.mark.parametrize("fault", UNCLEAR)
def test_not_durable_means_no_look_and_no_second_create_after_an_unclear_answer(fault: Fault) -> None:
    service = FakeService()
    service.fault("createJobRun", fault)
    script = Script(service)
    with pytest.raises(UnclearCreateError) as caught:
        script.run(submit_run, PAYLOAD)
    assert str(caught.value).startswith("It is unclear whether the run was created: ")
    assert str(caught.value).endswith("; it cannot be looked up by its name (durable=False)")
    assert script.operations == ["createJobRun"]
    assert caught.value.transient


def test_a_retry_that_finds_two_active_runs_keeps_the_older() -> None:
    service = FakeService()
    service.add_run(NAME, START - 50, id="younger")
    service.add_run(NAME, START - 100, id="older")
    submission, script = submit(service, memory=RETRY)
    assert (submission.run.id, submission.reattached) == ("older", True)
    assert [run.id for run in service.kept(script.moment)] == ["older"]
    assert script.notes[0] == Note(
        logging.WARNING, "Cancelling run younger: it belongs to this task too, beside the older run older"
    )


def test_a_run_of_another_name_is_nobodys_business() -> None:
    service = FakeService()
    service.add_run(f"{NAME}0", START - 100)
    submission, _ = submit(service, memory=RETRY)
    assert submission.run.id == "run1"
    assert service.cancels == []


def test_a_reattached_run_with_another_payload_is_kept_with_a_warning_that_names_the_fields() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, payload={"name": NAME, "runPython": {"uri": "s3://b/old.py"}})
    submission, script = submit(service, memory=RETRY, payload=PAYLOAD | {"version": "latest"})
    assert submission.reattached
    assert script.notes == [
        Note(logging.INFO, "Re-attached to run run0 (RUNNING), started by an earlier attempt of this task"),
        Note(
            logging.WARNING,
            "Run run0 was created with other values for runPython.uri, version; following it. Clear the task to run "
            "the new version",
        ),
    ]


def test_a_reattached_run_whose_payload_has_no_name_brings_no_warning() -> None:
    payload = {"runPython": PAYLOAD["runPython"]}
    run = Run.from_json({"id": "run0", "name": NAME, "status": "RUNNING", "payload": payload})
    _, script = submit(always(RunPage((run,))), memory=RETRY)
    assert [note.level for note in script.notes] == [logging.INFO]


def test_a_refused_create_is_the_end_at_once() -> None:
    script = Script(by_operation(listJobRuns=FakeService(), createJobRun=always(BadRequestError("createJobRun", 422))))
    with pytest.raises(BadRequestError):
        script.run(submit_run, PAYLOAD, memory=FIRST)
    assert script.operations == ["listJobRuns", "createJobRun"]
    assert not script.remembered[-1][0].is_create_unanswered, "the next try need not wait for a run"


REFUSED_KEYS = [AuthenticationError("createJobRun", 401), PermissionDeniedError("createJobRun", 403)]


@pytest.mark.parametrize("error", REFUSED_KEYS)
@pytest.mark.parametrize("memory", [FIRST, None])
def test_a_key_that_is_refused_for_a_moment_delays_the_create(error: WherobotsApiError, memory: Memory | None) -> None:
    service = FakeService()
    script = Script(by_operation(listJobRuns=service, createJobRun=answers(*[error] * 5, service)))
    assert isinstance(script.run(submit_run, PAYLOAD, memory=memory), Submission)
    assert 30 < script.elapsed < 60
    assert script.reloads == 5
    assert [note.level for note in script.notes].count(logging.WARNING) == 1


@pytest.mark.parametrize("error", REFUSED_KEYS)
def test_a_key_that_stays_refused_ends_the_create_after_a_minute(error: WherobotsApiError) -> None:
    script = Script(by_operation(listJobRuns=FakeService(), createJobRun=always(error)))
    with pytest.raises(type(error)) as caught:
        script.run(submit_run, PAYLOAD, memory=FIRST)
    assert script.elapsed == pytest.approx(REFUSED_SECONDS, abs=1.0)
    assert caught.value.key_may_change
    assert not script.remembered[-1][0].is_create_unanswered, "the next try need not wait for a run"


def test_a_look_that_is_refused_creates_nothing() -> None:
    """A key that has worked before is refused for as long as an outage. That is so in a later try which knows a run."""
    for memory, rules, seconds in (
        (FIRST, Rules(), REFUSED_SECONDS),
        (RETRY, Rules(), DEFAULT_MAX_OUTAGE_SECONDS),
        (CLEARED, Rules(tries_before=1), DEFAULT_MAX_OUTAGE_SECONDS),
        (FIRST, Rules(tries_before=1), REFUSED_SECONDS),
        (UNKNOWN, Rules(tries_before=1), DEFAULT_MAX_OUTAGE_SECONDS),
    ):
        script = Script(by_operation(listJobRuns=always(PermissionDeniedError("listJobRuns", 403))))
        with pytest.raises(PermissionDeniedError):
            script.run(submit_run, PAYLOAD, memory=memory, rules=rules)
        assert script.elapsed == pytest.approx(seconds, abs=1.0)


def test_a_refusal_after_an_unclear_create_is_unclear_as_the_first_may_have_had_an_effect() -> None:
    service = FakeService(list_lag=1_000)
    first_then_refused = answers(ServerError("createJobRun", 502), *[PermissionDeniedError("createJobRun", 403)] * 99)
    script = Script(by_operation(createJobRun=first_then_refused, listJobRuns=service))
    with pytest.raises(UnclearCreateError) as caught:
        script.run(submit_run, PAYLOAD, memory=FIRST)
    assert str(caught.value) == (
        "It is unclear whether the run was created: 403: no body; no run with its name has been found so far"
    )


def test_a_look_that_is_refused_after_an_unclear_create_never_creates_again() -> None:
    refused = always(PermissionDeniedError("listJobRuns", 403))
    script = Script(
        by_operation(
            createJobRun=answers(ServerError("createJobRun", 502)),
            listJobRuns=answers(FakeService(), *[refused] * 100),
        )
    )
    with pytest.raises(UnclearCreateError, match="looking it up failed too") as caught:
        script.run(submit_run, PAYLOAD, memory=FIRST)
    assert caught.value.transient
    assert script.remembered[-1][0].is_create_unanswered


def test_a_look_that_fails_while_the_quota_is_used_up_leaves_an_unclear_create_unclear() -> None:
    lists = answers(*[RunPage(())] * 9, *[ServerError("listJobRuns", 503)] * 99)
    creates = answers(ServerError("createJobRun", 502), *[QuotaError("createJobRun", 402)] * 99)
    script = Script(by_operation(createJobRun=creates, listJobRuns=lists))
    with pytest.raises(UnclearCreateError) as caught:
        script.run(submit_run, PAYLOAD, memory=FIRST)
    assert str(caught.value) == (
        "It is unclear whether the run was created: 502: no body; looking it up failed too (503: no body)"
    )
    assert script.remembered[-1][0].is_create_unanswered


@pytest.mark.parametrize("earlier", ["hail_stats_1", "another-name", "x" * 240])
def test_a_retry_finds_its_run_whatever_precedes_the_suffix(earlier: str) -> None:
    service = FakeService()
    service.add_run(f"{earlier}{SUFFIX}", START - 100, payload=PAYLOAD | {"name": f"{earlier}{SUFFIX}"})
    submission, script = submit(service, memory=RETRY)
    assert (submission.run.id, submission.reattached) == ("run0", True)
    assert [sent.call.params[0] for sent in script.sent] == [("name", f"*{IDENTITY.task}")]
    [warning] = [note for note in script.notes if note.level == logging.WARNING]
    assert "other values for name;" in warning.text


def test_after_a_clear_the_run_is_replaced_whatever_precedes_the_suffix() -> None:
    service = FakeService()
    service.add_run(f"another-name{SUFFIX}", START - 100)
    submission, script = submit(service, memory=CLEARED)
    assert (submission.run.id, submission.reattached) == ("run1", False)
    assert script.told == [
        Note(logging.INFO, "Cancelling run run0 from before the clear; a new run replaces it"),
        Note(logging.INFO, "Cancel of run run0 was accepted"),
    ]
    assert [run.id for run in service.kept(script.moment)] == ["run1"]


def test_after_a_clear_a_run_that_is_listed_but_gone_is_replaced() -> None:
    service, gone = FakeService(), always(NotFoundError("getJobRun", 404))
    service.add_run(NAME, START - 100)
    submission, _ = submit(
        by_operation(listJobRuns=service, createJobRun=service, getJobRun=gone, cancelJobRun=gone), memory=CLEARED
    )
    assert submission.run.id == "run1"


@pytest.mark.parametrize(
    "error",
    [
        ServerError("cancelJobRun", 503),
        ConflictError("cancelJobRun", 409),
        NotFoundError("cancelJobRun", 404),
        PermissionDeniedError("cancelJobRun", 403),
    ],
)
def test_after_a_clear_nothing_is_created_beside_a_run_that_cannot_be_cancelled(error: WherobotsApiError) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    script = Script(by_operation(listJobRuns=service, getJobRun=service, cancelJobRun=always(error)))
    with pytest.raises(NotReplacedError) as caught:
        script.run(submit_run, PAYLOAD, memory=CLEARED, max_outage_seconds=60)
    assert str(caught.value) == (
        f"Could not cancel the previous run run0 ({error.reason}), so no new run was started. Cancel it in the "
        "console, or with the command in the log above. Then clear the task again"
    )
    assert caught.value.transient
    assert 30 <= script.elapsed <= 75
    assert "createJobRun" not in script.operations


@pytest.mark.parametrize(
    ("sent", "echoed", "fields"),
    [
        ({"name": "a"}, {"name": "a", "runtime": "tiny", "timeoutSeconds": 3600}, []),
        ({"name": "a", "runtime": None}, {"name": "a", "runtime": "tiny"}, []),
        (
            {"runPython": {"uri": "s3://b/new.py", "args": ["1"]}, "timeoutSeconds": 5},
            {"runPython": {"uri": "s3://b/old.py", "args": ["1"]}, "runJar": None, "timeoutSeconds": 6},
            ["runPython.uri", "timeoutSeconds"],
        ),
        ({"runPython": {"args": ["1"]}}, {"runPython": {"args": ["1", "2"]}}, ["runPython.args"]),
        ({"runPython": {"args": ["1", "3"]}}, {"runPython": {"args": ["1", "2"]}}, ["runPython.args"]),
        (
            {"environment": {"dependencies": [{"sourceType": "FILE", "filePath": "x.whl"}]}},
            {"environment": {"dependencies": [{"sourceType": "FILE", "filePath": "x.whl", "fileType": "ZIP"}]}},
            [],
        ),
        ({"environment": {"sparkConfigs": {"a": "1"}}}, {"environment": None}, ["environment"]),
        # Each try has a run id of its own in OpenLineage.
        (
            {
                "environment": {
                    "sparkConfigs": {"spark.openlineage.parentRunId": "2", "spark.openlineage.rootParentRunId": "4"}
                }
            },
            {
                "environment": {
                    "sparkConfigs": {"spark.openlineage.parentRunId": "1", "spark.openlineage.rootParentRunId": "3"}
                }
            },
            [],
        ),
        (
            {"environment": {"sparkConfigs": {"spark.openlineage.transport.url": "https://new"}}},
            {"environment": {"sparkConfigs": {"spark.openlineage.transport.url": "https://old"}}},
            ["environment.sparkConfigs.spark.openlineage.transport.url"],
        ),
    ],
)
def test_only_fields_that_were_sent_differ(sent: dict[str, Any], echoed: dict[str, Any], fields: list[str]) -> None:
    assert differing_fields(sent, echoed) == fields


def decided(found: FoundRuns, memory: Memory) -> Decision:
    """What a try does about a run of the task, on a service that has it in its list at once, or shows it later."""
    plans: dict[FoundRuns, list[Any]] = {
        FoundRuns.NONE: [((0.0, "FAILED"),), ((0.0, "CANCELLED"),), ((0.0, "RUNNING"), (1.0, "TIMED_OUT"))],
        FoundRuns.ACTIVE: [((0.0, "PENDING"),), ((0.0, "RUNNING"),)],
        FoundRuns.COMPLETED: [((0.0, "COMPLETED"),)],
    }
    seen = set()
    for plan in plans[found]:
        service = FakeService()
        service.add_run(NAME, START - 100, plan=plan)
        submission, script = submit(service, memory=memory)
        is_new, is_cancelled = submission.run.id == "run1", bool(service.cancels)
        assert submission.reattached is not is_new
        if not is_new:
            seen.add(Decision.ATTACH if submission.run.is_active else Decision.ADOPT)
        else:
            seen.add(Decision.REPLACE if is_cancelled else Decision.CREATE)
        assert script.remembered[-1][0].runs[-1] == submission.run.id
    [decision] = seen
    return decision


@pytest.mark.parametrize(
    ("found", "known", "nothing", "unknown"),
    [
        (FoundRuns.ACTIVE, Decision.ATTACH, Decision.REPLACE, Decision.ATTACH),
        (FoundRuns.COMPLETED, Decision.ADOPT, Decision.CREATE, Decision.CREATE),
        (FoundRuns.NONE, Decision.CREATE, Decision.CREATE, Decision.CREATE),
    ],
)
def test_what_is_done_is_as_tabled(found: FoundRuns, known: Decision, nothing: Decision, unknown: Decision) -> None:
    for past, decision in ((Past.KNOWN, known), (Past.NOTHING, nothing), (Past.UNKNOWN, unknown)):
        assert decided(found, Memory(IDENTITY, 2, past, has_looked=past is Past.KNOWN)) is decision


def test_a_retry_takes_over_the_active_run_or_else_the_newest_that_has_completed() -> None:
    ended = ((0.0, "COMPLETED"),)
    for plans, adopted in (
        ((ended,), "run0"),
        ((ended, ended), "run1"),
        ((ended, ((0.0, "CANCELLED"),)), "run0"),
        ((((0.0, "FAILED"),), ((0.0, "CANCELLED"),)), None),
        ((((0.0, "FAILED"),), ended), "run1"),
        ((((0.0, "RUNNING"),), ended), "run0"),
    ):
        service = FakeService()
        for number, plan in enumerate(plans):
            service.add_run(NAME, START - 100 + number, plan=plan)
        submission, script = submit(service, memory=RETRY)
        assert submission.reattached == (adopted is not None)
        assert submission.run.id == (adopted or f"run{len(plans)}")
        assert ("createJobRun" in script.operations) == (adopted is None)


def test_a_create_without_an_answer_that_has_made_two_runs_gives_an_active_one_or_else_the_completed_one() -> None:
    for statuses, adopted, cancelled in (
        (("FAILED", "RUNNING"), "run1", []),
        (("COMPLETED", "CANCELLED"), "run0", []),
        (("FAILED",), "run0", []),
        (("RUNNING", "RUNNING"), "run0", ["run1"]),
    ):
        service = FakeService()
        for number, status in enumerate(statuses):
            service.add_run(NAME, START + number / 10, plan=((0.0, status),), visible_at=START + 1)
        lost = always(ResponseLostError("createJobRun", "timed out"))
        submission, script = submit(by_operation(createJobRun=lost, listJobRuns=service, cancelJobRun=service))
        assert submission.run.id == adopted
        assert [run_id for run_id, _ in service.cancels] == cancelled
        assert len(script.sent_of("createJobRun")) == 1


def test_after_a_clear_an_active_run_is_attached_if_runs_are_left_alone() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    submission, _ = submit(service, memory=CLEARED, rules=Rules(may_replace=False))
    assert (submission.run.id, submission.reattached) == ("run0", True)
    assert service.cancels == []


@pytest.mark.parametrize("memory", [RETRY, CLEARED])
def test_a_run_that_is_remembered_is_found_even_if_no_list_has_it(memory: Memory) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, visible_at=START + 3_600)
    memory = memory if memory is CLEARED else replace(memory, runs=("run0",))
    submission, script = submit(service, memory=memory)
    assert submission.reattached is (memory is not CLEARED)
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id]


@pytest.mark.parametrize("is_unanswered", [True, False])
def test_remembered_runs_that_the_service_does_not_know_cost_a_minute_in_all(is_unanswered: bool) -> None:
    """The connection now points to another organization."""
    gone = replace(CLEARED, passed_over=tuple(f"gone{number}" for number in range(5)))
    submission, script = submit(
        FakeService(), memory=replace(gone, is_create_unanswered=is_unanswered), rules=Rules(tries_before=1)
    )
    assert submission.run.id == "run0"
    looks = sum(LOOK_AGAIN_DELAYS) if is_unanswered else 0.0
    assert script.elapsed == pytest.approx(REFUSED_SECONDS + looks, abs=5.0)


def test_a_run_whose_create_took_longer_than_a_minute_is_new_to_the_next_try() -> None:
    service = FakeService(list_lag=29.0, get_lag=1.5)
    service.fault("createJobRun", *[Fault.NOT_ARRIVED] * 7)
    _, script = submit(service)
    assert script.elapsed > REFUSED_SECONDS
    again = script.run(submit_run, PAYLOAD, memory=script.remembered[-1][0])
    assert isinstance(again, Submission)
    assert (again.run.id, again.reattached) == ("run0", True)


@pytest.mark.parametrize("seconds", [59.0, 61.0])
def test_an_old_remembered_run_that_is_unknown_costs_no_time(seconds: float) -> None:
    memory = RETRY.has_run("gone", START - seconds)
    submission, script = submit(FakeService(), memory=memory, rules=Rules(tries_before=1))
    assert submission.run.id == "run0"
    assert script.elapsed == pytest.approx(0.0 if seconds > REFUSED_SECONDS else REFUSED_SECONDS, abs=5.0)


@pytest.mark.parametrize("memory", [RETRY, CLEARED, replace(FIRST, is_create_unanswered=True)])
@pytest.mark.parametrize("visible_after", [1.0, 10.0, 29.0])
def test_an_unanswered_create_is_looked_for_during_half_a_minute(memory: Memory, visible_after: float) -> None:
    service = FakeService()
    service.add_run(NAME, START - 1, id="late", visible_at=START + visible_after)
    memory = replace(memory, is_create_unanswered=True)
    submission, script = submit(service, memory=memory)
    assert len(service.kept(script.moment)) == 1
    assert (submission.run.id == "late") is (memory.past is Past.KNOWN)
    [note] = script.said("Looking for it")
    assert note == script.notes[0]
    assert note.text == (
        "An earlier attempt may have created a run that is in no list yet. Looking for it for up to 30 seconds"
    )


@pytest.mark.parametrize(("may_replace", "left"), [(True, "run2"), (False, "run0")])
@pytest.mark.parametrize("visible_after", [1.0, 29.0])
def test_an_active_run_from_before_two_clears_does_not_end_the_search_for_the_run_between_them(
    may_replace: bool, left: str, visible_after: float
) -> None:
    service = FakeService()
    service.add_run(NAME, START - 60)
    service.add_run(NAME, START - 1, id="late", visible_at=START + visible_after)
    memory = replace(CLEARED, is_create_unanswered=True)
    submission, script = submit(service, memory=memory, rules=Rules(may_replace))
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id] == [left]
    assert script.elapsed < visible_after + 10


def test_a_run_from_before_two_clears_is_replaced_if_there_is_none_between_them() -> None:
    service = FakeService()
    service.add_run(NAME, START - 60)
    submission, script = submit(service, memory=replace(CLEARED, is_create_unanswered=True))
    assert [run.id for run in service.kept(script.moment)] == [submission.run.id] == ["run1"]
    assert script.elapsed > sum(LOOK_AGAIN_DELAYS)


@pytest.mark.parametrize(("runs", "tries_before", "waits"), [(0, 0, False), (0, 1, True), (1, 1, False), (1, 2, True)])
def test_without_memory_fewer_runs_than_tries_are_looked_for(runs: int, tries_before: int, waits: bool) -> None:
    service = FakeService()
    for _ in range(runs):
        service.add_run(NAME, START - 100, plan=((0.0, "FAILED"),))
    _, script = submit(service, memory=UNKNOWN, rules=Rules(tries_before=tries_before))
    assert bool(script.said("Looking for it for up to 30 s")) is waits


RETRY_UNANSWERED = replace(RETRY, is_create_unanswered=True)
CLEARED_UNANSWERED = replace(CLEARED, is_create_unanswered=True, passed_over=("old",))
OLD, OLD_ACTIVE = Run("old", NAME, "COMPLETED"), Run("old", NAME, "RUNNING")
NEW, NEW_FAILED = Run("new", NAME, "RUNNING"), Run("new", NAME, "FAILED")


@pytest.mark.parametrize(
    ("memory", "runs", "tries_before", "first", "last"),
    [
        (RETRY, [], 3, FoundRuns.NONE, FoundRuns.NONE),
        (RETRY, [OLD, NEW], 1, FoundRuns.ACTIVE, FoundRuns.ACTIVE),
        (RETRY_UNANSWERED, [], 0, FoundRuns.UNCLEAR, FoundRuns.NONE),
        (RETRY_UNANSWERED, [NEW_FAILED], 0, FoundRuns.UNCLEAR, FoundRuns.NONE),
        (RETRY_UNANSWERED, [OLD], 0, FoundRuns.COMPLETED, FoundRuns.COMPLETED),
        (RETRY_UNANSWERED, [NEW], 0, FoundRuns.ACTIVE, FoundRuns.ACTIVE),
        (replace(FIRST, is_create_unanswered=True), [OLD], 0, FoundRuns.UNCLEAR, FoundRuns.COMPLETED),
        (CLEARED_UNANSWERED, [OLD_ACTIVE], 0, FoundRuns.UNCLEAR, FoundRuns.ACTIVE),
        (CLEARED_UNANSWERED, [OLD_ACTIVE, NEW], 0, FoundRuns.ACTIVE, FoundRuns.ACTIVE),
        (UNKNOWN, [], 1, FoundRuns.UNCLEAR, FoundRuns.NONE),
        (UNKNOWN, [NEW_FAILED], 1, FoundRuns.NONE, FoundRuns.NONE),
        (UNKNOWN, [OLD], 2, FoundRuns.UNCLEAR, FoundRuns.COMPLETED),
        (UNKNOWN, [NEW], 5, FoundRuns.ACTIVE, FoundRuns.ACTIVE),
    ],
)
def test_what_a_list_means_at_the_first_look_and_at_the_last(
    memory: Memory, runs: list[Run], tries_before: int, first: FoundRuns, last: FoundRuns
) -> None:
    assert kind_found(runs, memory, tries_before, may_look_again=True) is first
    assert kind_found(runs, memory, tries_before, may_look_again=False) is last


def test_a_failed_run_that_was_unknown_for_a_moment_is_not_taken_for_the_new_one() -> None:
    """It is in no list and Get Run does not know it, when the retry looks. Then the response to its create is lost."""
    service = FakeService(list_lag=5.0)
    script = Script(service)
    script.run(submit_run, PAYLOAD, memory=FIRST)
    run = service.runs[0]
    run.plan = ((0.0, "RUNNING"), (100.0, "FAILED"))
    script.moment += 120
    run.visible_at = run.gettable_at = script.moment + 0.2
    service.fault("createJobRun", Fault.ERROR_503_AFTER_EFFECT)
    submission = script.run(submit_run, PAYLOAD, memory=script.remembered[-1][0], rules=Rules(tries_before=1))
    assert isinstance(submission, Submission)
    assert submission.run.id == "run1"


@pytest.mark.parametrize("fault", [Fault.ERROR_503_AFTER_EFFECT, Fault.ERROR_500])
def test_an_active_run_that_was_unknown_for_a_moment_is_followed_after_an_unclear_create(fault: Fault) -> None:
    service = FakeService(list_lag=5.0)
    script = Script(service)
    script.run(submit_run, PAYLOAD, memory=FIRST)
    script.moment += 120
    service.runs[0].visible_at = service.runs[0].gettable_at = script.moment + 0.2
    service.fault("createJobRun", fault)
    rules = Rules(may_replace=False, tries_before=1)
    submission = script.run(submit_run, PAYLOAD, memory=script.remembered[-1][0], rules=rules)
    assert isinstance(submission, Submission)
    assert submission.run.id == "run0"
    script.moment += 120
    script.run(submit_run, PAYLOAD, memory=script.remembered[-1][0], rules=rules)
    assert [run.id for run in service.runs if run.cancelled_at is None] == ["run0"]


def test_a_retry_does_not_ask_for_runs_that_an_earlier_one_has_passed_over() -> None:
    _, script = submit(FakeService(), memory=replace(RETRY, passed_over=("old",)))
    assert script.operations == ["listJobRuns", "createJobRun"]


@pytest.mark.parametrize(("memory", "ahead"), [(FIRST, 0.0), (UNKNOWN, 0.0), (FIRST, 90.0)])
def test_a_run_of_another_deployment_is_named_and_left_alone(memory: Memory, ahead: float) -> None:
    service = FakeService()
    other = Identity("fedcba", IDENTITY.task)
    service.add_run(f"hail_stats{other.suffix}", START + ahead - 3_600, id="other")
    submission, script = submit(lambda call, moment: service(call, moment + ahead), memory=memory)
    assert submission.run.id == "run1"
    assert service.cancels == []
    [warning] = script.said("run other")
    assert warning.level == logging.WARNING
    assert warning.text == (
        "Found an active run other with this task's name, started 1 hour ago by another deployment with the same DAG, "
        "or before a clear. Not touching it. If it is yours, cancel it: "
        "python -m airflow_provider_wherobots runs cancel --yes other"
    )


def test_a_create_is_remembered_as_sent_before_it_is_sent_and_its_run_after() -> None:
    service = FakeService()
    _, script = submit(service)
    (sent, before), (created, after) = script.remembered
    assert (sent.is_create_unanswered, sent.runs, before) == (True, (), 1)
    assert (created.is_create_unanswered, created.runs, after) == (False, ("run0",), 2)
    assert script.else_not == ["The run was not created", ""]
