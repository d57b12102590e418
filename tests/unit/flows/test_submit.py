"""Design: exactly one run per attempt."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunPage
from airflow_provider_wherobots.flows.effects import Note
from airflow_provider_wherobots.flows.retry import REFUSED_SECONDS
from airflow_provider_wherobots.flows.submit import (
    LOOK_UP_DELAYS,
    NotReplacedError,
    Submission,
    UnclearCreateError,
    differing_fields,
    submit_run,
)
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script, always, answers, by_operation

SUFFIX = "-0123456789ab"
NAME = f"hail_stats{SUFFIX}"
PAYLOAD: dict[str, Any] = {"name": NAME, "runPython": {"uri": "s3://b/j.py"}}
UNCLEAR = [fault for fault in Fault if fault not in (Fault.NOT_ARRIVED, Fault.RATE_LIMITED)]
UNCLEAR_WITH_EFFECT = [fault for fault in UNCLEAR if fault.has_effect]
UNCLEAR_WITHOUT_EFFECT = [fault for fault in UNCLEAR if not fault.has_effect]


def submit(service: Any, payload: dict[str, Any] = PAYLOAD, **options: Any) -> tuple[Submission, Script]:
    script = Script(service)
    submission = script.run(submit_run(payload, **options))
    assert isinstance(submission, Submission)
    return submission, script


def test_an_undisturbed_first_attempt_is_one_call_without_a_word() -> None:
    service = FakeService()
    submission, script = submit(service, region="aws-us-west-2")
    assert (submission.run.id, submission.reattached) == ("run0", False)
    assert script.operations == ["createJobRun"]
    assert script.sent[0].call.params == (("region", "aws-us-west-2"),)
    assert (script.notes, script.sleeps) == ([], [])


@pytest.mark.parametrize("fault", [Fault.NOT_ARRIVED, Fault.RATE_LIMITED])
@pytest.mark.parametrize("durable", [True, False])
def test_a_create_that_surely_did_not_arrive_is_repeated_without_a_look(fault: Fault, durable: bool) -> None:
    service = FakeService()
    service.fault("createJobRun", fault, fault, retry_after="5.2")
    submission, script = submit(service, durable=durable)
    assert script.operations == ["createJobRun"] * 3
    assert script.sleeps == pytest.approx([5.2, 5.2] if fault is Fault.RATE_LIMITED else [1.0, 2.0])
    assert [run.id for run in service.kept(script.now)] == [submission.run.id]


@pytest.mark.parametrize("fault", UNCLEAR_WITH_EFFECT)
@pytest.mark.parametrize("list_lag", [0.0, 3.0, 9.0])
def test_a_create_whose_answer_was_lost_is_looked_up_by_name_and_adopted(fault: Fault, list_lag: float) -> None:
    service = FakeService(list_lag=list_lag)
    service.fault("createJobRun", fault)
    submission, script = submit(service)
    assert script.operations.count("createJobRun") == 1
    assert (submission.run.id, submission.reattached) == ("run0", False)
    assert service.cancels == []
    lost, found = script.notes
    assert lost.level == logging.WARNING
    assert lost.text.endswith("; the run may exist. Looking it up by its name *-0123456789ab")
    assert found == Note(logging.INFO, "The create call whose response was lost has created run run0")


def test_a_repeated_create_whose_check_fails_keeps_its_run_and_says_so() -> None:
    service = FakeService()
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT)

    def without_the_last_look(call: Any, moment: float) -> Any:
        if call.operation == "listJobRuns" and service.runs:
            raise PermissionDeniedError("listJobRuns", 403)
        return service(call, moment)

    submission, script = submit(without_the_last_look)
    assert submission.run.id == "run0"
    assert script.notes[-1] == Note(
        logging.WARNING,
        "Could not check that run0 is the only run named *-0123456789ab: listJobRuns: 403: no body",
    )


@pytest.mark.parametrize("fault", UNCLEAR_WITHOUT_EFFECT)
def test_a_create_that_left_no_run_is_repeated_after_ten_seconds_of_looking(fault: Fault) -> None:
    service = FakeService()
    service.fault("createJobRun", fault)
    submission, script = submit(service)
    assert [run.id for run in service.kept(script.now)] == [submission.run.id]
    assert script.operations == ["createJobRun", *["listJobRuns"] * 5, "createJobRun", "listJobRuns"]
    first, second = script.sent_of("createJobRun")
    assert second.at - first.at >= 10
    assert sum(LOOK_UP_DELAYS) == 10


def test_each_create_without_a_response_may_have_left_a_run_that_is_not_listed_yet() -> None:
    service = FakeService()
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT, Fault.LOST_AFTER_EFFECT)
    submission, _ = submit(service)
    assert (submission.run.id, submission.may_have_twin) == ("run0", True)


def test_of_two_active_runs_the_older_is_kept_and_the_newer_cancelled_with_a_warning() -> None:
    service = FakeService(list_lag=11.0)
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    submission, script = submit(service)
    assert submission.run.id == "run0"
    assert [run_id for run_id, _ in service.cancels] == ["run1"]
    assert not submission.may_have_twin
    assert [note.level for note in script.said("both belong to this task; the newer one is cancelled")] == [
        logging.WARNING
    ]


@pytest.mark.parametrize("fault", UNCLEAR)
def test_not_durable_means_no_look_and_no_second_create_after_an_unclear_answer(fault: Fault) -> None:
    service = FakeService()
    service.fault("createJobRun", fault)
    script = Script(service)
    with pytest.raises(UnclearCreateError) as caught:
        script.run(submit_run(PAYLOAD, durable=False))
    assert str(caught.value).startswith("createJobRun: it is unclear whether the run was created: createJobRun: ")
    assert str(caught.value).endswith("; it cannot be looked up by its name (durable=False)")
    assert script.operations == ["createJobRun"]
    assert caught.value.transient


def test_a_retry_looks_first_and_reattaches_to_its_active_run() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    submission, script = submit(service, look_first=True)
    assert (submission.run.id, submission.reattached) == ("run0", True)
    assert script.operations == ["listJobRuns"]
    assert script.said("Re-attached to run run0")


def test_not_durable_a_retry_submits_afresh() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    submission, script = submit(service, look_first=True, durable=False)
    assert submission.run.id == "run1"
    assert script.operations == ["createJobRun"]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_run_that_ended_is_never_used_again(status: str) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, plan=((0.0, status),))
    submission, _ = submit(service, look_first=True)
    assert (submission.run.id, submission.reattached) == ("run1", False)


def test_a_run_that_ended_is_not_adopted_after_a_lost_answer_either() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, plan=((0.0, "FAILED"),))
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT)
    submission, script = submit(service, look_first=True)
    assert submission.run.id == "run1"
    assert [run.id for run in service.kept(script.now)] == ["run1"]


def test_a_run_that_ended_before_its_lost_answer_was_looked_up_is_adopted() -> None:
    service = FakeService(plan=((0.0, "PENDING"), (0.2, "FAILED")))
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    submission, script = submit(service)
    assert (submission.run.id, submission.run.status) == ("run0", "FAILED")
    assert script.operations.count("createJobRun") == 1


@pytest.mark.parametrize("app_status", ["DESTROY_REQUESTED", "DESTROYING", "DESTROYED"])
def test_a_run_being_torn_down_is_not_reattached(app_status: str) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, app_status=app_status)
    submission, _ = submit(service, look_first=True)
    assert (submission.run.id, submission.reattached) == ("run1", False)


def test_a_retry_that_finds_two_active_runs_keeps_the_older() -> None:
    service = FakeService()
    service.add_run(NAME, START - 50, id="younger")
    service.add_run(NAME, START - 100, id="older")
    submission, script = submit(service, look_first=True)
    assert (submission.run.id, submission.reattached) == ("older", True)
    assert [run.id for run in service.kept(script.now)] == ["older"]


def test_a_run_of_another_name_is_nobodys_business() -> None:
    service = FakeService()
    service.add_run(f"{NAME}0", START - 100)
    submission, _ = submit(service, look_first=True)
    assert submission.run.id == "run1"
    assert service.cancels == []


def test_a_reattached_run_with_another_payload_is_kept_with_a_warning_that_names_the_fields() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, payload={"name": NAME, "runPython": {"uri": "s3://b/old.py"}})
    submission, script = submit(service, look_first=True, payload=PAYLOAD | {"version": "latest"})
    assert submission.reattached
    assert script.notes == [
        Note(logging.INFO, "Re-attached to run run0 (RUNNING), started by an earlier try of this task"),
        Note(
            logging.WARNING,
            "Run run0 differs from what this try would create (runPython.uri, version); the task keeps it",
        ),
    ]


def test_a_reattached_run_with_the_same_payload_brings_no_warning() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100, payload=PAYLOAD | {"timeoutSeconds": 3600})
    _, script = submit(service, look_first=True)
    assert [note.level for note in script.notes] == [logging.INFO]


def test_a_reattached_run_whose_payload_has_no_name_brings_no_warning() -> None:
    payload = {"runPython": PAYLOAD["runPython"]}
    run = Run.from_json({"id": "run0", "name": NAME, "status": "RUNNING", "payload": payload})
    _, script = submit(always(RunPage((run,))), look_first=True)
    assert [note.level for note in script.notes] == [logging.INFO]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_first_look_that_fails_transiently_is_repeated_before_anything_is_created(fault: Fault) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    service.fault("listJobRuns", fault)
    submission, script = submit(service, look_first=True)
    assert submission.reattached
    assert script.operations == ["listJobRuns"] * 2


@pytest.mark.parametrize(
    "error",
    [
        BadRequestError("createJobRun", 422),
        AuthenticationError("createJobRun", 401),
        PermissionDeniedError("createJobRun", 403),
    ],
)
def test_a_refused_create_is_the_end_at_once(error: WherobotsApiError) -> None:
    script = Script(always(error))
    with pytest.raises(type(error)):
        script.run(submit_run(PAYLOAD))
    assert len(script.sent) == 1


def test_a_first_look_that_is_refused_creates_nothing() -> None:
    script = Script(by_operation(listJobRuns=always(PermissionDeniedError("listJobRuns", 403))))
    with pytest.raises(PermissionDeniedError):
        script.run(submit_run(PAYLOAD, look_first=True))
    assert script.elapsed == pytest.approx(REFUSED_SECONDS, abs=1.0)


@pytest.mark.parametrize("error", [AuthenticationError("listJobRuns", 401), PermissionDeniedError("listJobRuns", 403)])
def test_a_first_look_that_is_refused_once_is_repeated(error: WherobotsApiError) -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    submission, _ = submit(by_operation(listJobRuns=answers(error, service)), look_first=True)
    assert submission.reattached


@pytest.mark.parametrize(("visible_after", "reattached"), [(9.0, True), (15.0, False)])
def test_the_run_that_an_earlier_try_has_had_is_looked_for_before_another_is_created(
    visible_after: float, reattached: bool
) -> None:
    service = FakeService()
    service.add_run(NAME, START - 1, visible_at=START + visible_after)
    submission, _ = submit(service, look_first=True, expects_run=True)
    assert submission.reattached is reattached


def test_a_refusal_after_an_unclear_create_is_unclear_as_the_first_may_have_had_an_effect() -> None:
    service = FakeService(list_lag=1_000)
    first_then_refused = answers(ServerError("createJobRun", 502), PermissionDeniedError("createJobRun", 403))
    script = Script(by_operation(createJobRun=first_then_refused, listJobRuns=service))
    with pytest.raises(UnclearCreateError) as caught:
        script.run(submit_run(PAYLOAD))
    assert str(caught.value) == (
        "createJobRun: it is unclear whether the run was created: createJobRun: 403: no body; "
        "no run with its name has been found so far"
    )


def test_a_look_that_is_refused_after_an_unclear_create_never_creates_again() -> None:
    script = Script(
        by_operation(
            createJobRun=answers(ServerError("createJobRun", 502)),
            listJobRuns=always(PermissionDeniedError("listJobRuns", 403)),
        )
    )
    with pytest.raises(UnclearCreateError, match="looking it up failed too") as caught:
        script.run(submit_run(PAYLOAD))
    assert caught.value.transient


def test_a_service_that_cannot_be_reached_is_given_up_after_the_outage_limit() -> None:
    script = Script(always(NotSentError("createJobRun", "refused")))
    with pytest.raises(NotSentError):
        script.run(submit_run(PAYLOAD, max_outage_seconds=60))
    assert 60 <= script.elapsed < 75


def test_a_rotated_key_is_picked_up_without_a_second_run() -> None:
    service = FakeService()
    refused_once = answers(AuthenticationError("createJobRun", 401), service)
    script = Script(by_operation(createJobRun=refused_once, listJobRuns=service), reload=lambda: True)
    submission = script.run(submit_run(PAYLOAD))
    assert isinstance(submission, Submission)
    assert submission.run.id == "run0"
    assert script.operations == ["createJobRun"] * 2


@pytest.mark.parametrize("earlier", ["hail_stats_1", "another-name", "x" * 242])
def test_a_retry_finds_its_run_whatever_precedes_the_suffix(earlier: str) -> None:
    service = FakeService()
    service.add_run(f"{earlier}{SUFFIX}", START - 100, payload=PAYLOAD | {"name": f"{earlier}{SUFFIX}"})
    submission, script = submit(service, look_first=True)
    assert (submission.run.id, submission.reattached) == ("run0", True)
    assert [sent.call.params[0] for sent in script.sent] == [("name", f"*{SUFFIX}")]
    [warning] = [note for note in script.notes if note.level == logging.WARNING]
    assert "(name)" in warning.text


def test_after_a_clear_the_run_is_replaced_whatever_precedes_the_suffix() -> None:
    service = FakeService()
    service.add_run(f"another-name{SUFFIX}", START - 100)
    submission, script = submit(service, look_first=True, replace=True)
    assert (submission.run.id, submission.reattached) == ("run1", False)
    assert script.notes == [
        Note(logging.INFO, "The task was cleared: its run run0 is cancelled and replaced"),
        Note(logging.INFO, "Cancel of run run0 was accepted"),
    ]
    assert [run.id for run in service.kept(script.now)] == ["run1"]


def test_after_a_clear_a_cancel_that_fails_for_a_while_is_waited_out() -> None:
    service = FakeService()
    service.add_run(NAME, START - 100)
    service.fault("cancelJobRun", *[Fault.ERROR_500] * 6)
    submission, script = submit(service, look_first=True, replace=True, max_outage_seconds=600)
    assert script.elapsed > 30
    assert [run.id for run in service.kept(script.now)] == [submission.run.id] == ["run1"]


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
        script.run(submit_run(PAYLOAD, look_first=True, replace=True, max_outage_seconds=60))
    assert str(caught.value) == (
        f"cancelJobRun: the task was cleared, but run run0 of its previous try could not be cancelled ({error}); "
        "no new run was created"
    )
    assert caught.value.transient
    assert 30 <= script.elapsed <= 75
    assert "createJobRun" not in script.operations


@pytest.mark.parametrize(
    ("age", "plan"), [(3_600.0, ((0.0, "RUNNING"),)), (20.0, ((0.0, "RUNNING"), (5.0, "COMPLETED")))]
)
def test_the_first_try_does_not_take_an_older_run_of_the_same_ids_for_its_own(age: float, plan: Any) -> None:
    """As when ``airflow dags test`` is repeated for one date."""
    service = FakeService()
    service.add_run(NAME, START - age, plan=plan)
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT)
    submission, _ = submit(service)
    assert submission.run.id == "run1"
    assert service.cancels == []


@pytest.mark.parametrize("behind", [0.0, 50.0])
def test_its_own_run_is_found_though_the_clock_of_the_service_is_behind(behind: float) -> None:
    service = FakeService()
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT)
    service.add_run(NAME, START - behind)
    submission, script = submit(service)
    assert submission.run.id == "run0"
    assert script.operations.count("createJobRun") == 1


def test_a_retry_takes_over_the_newest_run_only_if_it_has_completed_and_none_is_active() -> None:
    ended = ((0.0, "COMPLETED"),)
    for plans, adopted in (
        ((ended,), "run0"),
        ((ended, ((0.0, "FAILED"),)), None),
        ((((0.0, "FAILED"),), ended), "run1"),
        ((((0.0, "RUNNING"),), ended), "run0"),
    ):
        service = FakeService()
        for number, plan in enumerate(plans):
            service.add_run(NAME, START - 100 + number, plan=plan)
        submission, script = submit(service, look_first=True, reuse_completed=True)
        assert submission.reattached == (adopted is not None)
        assert submission.run.id == (adopted or f"run{len(plans)}")
        assert ("createJobRun" in script.operations) == (adopted is None)


@pytest.mark.parametrize(
    ("sent", "echoed", "fields"),
    [
        ({"name": "a"}, {"name": "a", "runtime": "tiny", "timeoutSeconds": 3600}, []),
        ({"name": "a", "runtime": "tiny"}, {"name": "a"}, ["runtime"]),
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
            {"environment": {"sparkConfigs": {"spark.openlineage.parentRunId": "2", "a": "2"}}},
            {"environment": {"sparkConfigs": {"a": "1"}}},
            ["environment.sparkConfigs.a"],
        ),
        (
            {"environment": {"sparkConfigs": {"spark.openlineage.transport.url": "https://new"}}},
            {"environment": {"sparkConfigs": {"spark.openlineage.transport.url": "https://old"}}},
            ["environment.sparkConfigs.spark.openlineage.transport.url"],
        ),
    ],
)
def test_differing_fields_are_those_sent_not_those_the_service_fills_in(
    sent: dict[str, Any], echoed: dict[str, Any], fields: list[str]
) -> None:
    assert differing_fields(sent, echoed) == fields
