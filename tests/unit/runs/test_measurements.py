"""What is measured at a run's end, and what is left for a later try to measure."""

from typing import Any

import pytest

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import Kind, Measurement, of_end, of_reattachment, of_statement

TASK = {"dag_id": "dag", "task_id": "group.task"}
SUMMARY: dict[str, Any] = {
    "run_id": "r1",
    "region": "aws-us-west-2",
    "runtime": "tiny",
    "queued_seconds": 12.5,
    "ran_seconds": 60.0,
    "cost_usd": 0.37,
}


def end(ending: Ending, *, summary: Any = SUMMARY, status: str = "COMPLETED", outage: float = 0.0, **more: Any) -> Any:
    outcome = Outcome(ending, "r1", status, summary=summary, outage_seconds=outage)
    return of_end(outcome, TASK, **{"cancelled_at_deadline": True, **more})


def values(measurements: list[Measurement]) -> dict[str, float]:
    return {measurement.name.removeprefix("wherobots.run."): measurement.value for measurement in measurements}


def test_an_end_has_three_values_with_their_kinds_and_tags() -> None:
    tags = {**TASK, "region": "aws-us-west-2", "runtime": "tiny", "status": "COMPLETED"}
    assert end(Ending.COMPLETED) == [
        Measurement(Kind.TIMING, "wherobots.run.queued", 12.5, tags),
        Measurement(Kind.TIMING, "wherobots.run.ran", 60.0, tags),
        Measurement(Kind.GAUGE, "wherobots.run.cost_usd", 0.37, tags),
    ]


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.NOT_STARTED, Ending.TIMED_OUT, Ending.CANCELLED])
def test_every_end_of_a_run_is_measured(ending: Ending) -> None:
    assert values(end(ending, outage=3.0)) == {"outage": 3.0, "queued": 12.5, "ran": 60.0, "cost_usd": 0.37}


@pytest.mark.parametrize(
    ("ending", "cancelled", "measured"),
    [
        (Ending.GAVE_UP, True, {"outage"}),
        (Ending.DEADLINE, False, {"outage"}),
        # It was cancelled, so no later try sees its end.
        (Ending.DEADLINE, True, {"outage", "queued", "cost_usd"}),
    ],
)
def test_an_active_run_is_measured_by_a_later_try(ending: Ending, cancelled: bool, measured: set[str]) -> None:
    summary = {**SUMMARY, "ran_seconds": None}
    assert set(values(end(ending, summary=summary, outage=600.0, cancelled_at_deadline=cancelled))) == measured


def test_what_is_not_known_is_not_measured_and_a_0_is() -> None:
    assert values(end(Ending.COMPLETED, summary=None)) == {}
    assert values(end(Ending.COMPLETED, summary={"cost_usd": 0.0, "queued_seconds": None})) == {"cost_usd": 0.0}
    (cost,) = end(Ending.COMPLETED, summary={"cost_usd": 0.0, "region": 1, "runtime": ""})
    assert cost.tags == {**TASK, "status": "COMPLETED"}


def test_a_tag_of_the_service_can_be_written_in_every_format() -> None:
    summary = {**SUMMARY, "region": "a b,c=d|e:f#g", "runtime": "x" * 500}
    tags = end(Ending.COMPLETED, summary=summary, status="ODD STATUS\n")[0].tags
    assert (tags["region"], tags["status"]) == ("a_b_c_d_e_f_g", "ODD_STATUS_")
    assert tags["runtime"] == "x" * 64


def test_a_statement_is_timed_with_its_outcome() -> None:
    tags = {**TASK, "region": "here", "status": "failed"}
    assert of_statement(1.5, "failed", "here", TASK) == [Measurement(Kind.TIMING, "wherobots.sql.statement", 1.5, tags)]


def test_a_reattachment_is_counted_with_the_tags_of_the_run() -> None:
    here = {"regionName": "here"}
    run = Run.from_json({"id": "r1", "status": "RUNNING", "payload": {"runtime": "small"}, "kubeApp": here})
    tags = {**TASK, "region": "here", "runtime": "small", "status": "RUNNING"}
    assert of_reattachment(run, TASK) == [Measurement(Kind.COUNTER, "wherobots.run.reattached", 1, tags)]
