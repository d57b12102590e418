from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import ResponseLostError
from airflow_provider_wherobots.api.runs.models import Run, RunPage
from airflow_provider_wherobots.flows.list_runs import MAX_PAGES, find_runs
from airflow_provider_wherobots.flows.submit import differing_fields
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Script, always

SUFFIX = "-0123456789ab"
LINEAGE = "spark.openlineage"
NAME = f"hail_stats{SUFFIX}"


def test_only_runs_whose_names_end_so_oldest_first_over_all_pages() -> None:
    service = FakeService(page_size=2)
    for age in (50, 10, 30, 20, 40):
        service.add_run(NAME, START - age, id=f"old{age}")
        service.add_run(f"{NAME}def", START - age)
    service.runs[0].payload = {"name": f"another_name{SUFFIX}"}
    script = Script(service)
    assert [run.id for run in script.run(find_runs(SUFFIX, 3.0))] == ["old50", "old40", "old30", "old20", "old10"]
    assert len(script.sent) == 5
    assert {(sent.timeout, sent.call.urgent) for sent in script.sent} == {(3.0, False)}
    assert dict(script.sent[0].call.params) == {"name": f"*{SUFFIX}", "size": "100"}


def test_urgent_calls_are_sent_though_the_key_is_limited() -> None:
    script = Script(FakeService())
    script.run(find_runs(SUFFIX, urgent=True))
    assert [sent.call.urgent for sent in script.sent] == [True]


def test_runs_of_one_moment_are_ordered_by_id_so_that_every_look_agrees() -> None:
    service = FakeService()
    for run_id in ("b", "a", "c"):
        service.add_run(NAME, START, id=run_id)
    assert [run.id for run in Script(service).run(find_runs(SUFFIX))] == ["a", "b", "c"]


def test_a_run_without_a_create_time_does_not_break_the_order() -> None:
    page = RunPage((Run("x", NAME, "RUNNING"), Run.from_json({"id": "y", "name": NAME, "status": "PENDING"})))
    assert [run.id for run in Script(always(page)).run(find_runs(SUFFIX))] == ["x", "y"]


@pytest.mark.parametrize("next_page", [None, "same"])
def test_the_last_page_names_no_next_one_or_itself(next_page: str | None) -> None:
    script = Script(always(RunPage((Run("x", NAME, "RUNNING"),), next_page=next_page)))
    assert [run.id for run in script.run(find_runs(SUFFIX))] == ["x"]
    assert len(script.sent) == (1 if next_page is None else 2)


def test_pages_without_end_are_given_up() -> None:
    counter = iter(range(10_000))
    script = Script(lambda call, moment: RunPage((), next_page=f"c{next(counter)}"))
    assert script.run(find_runs(SUFFIX)) == []
    assert len(script.sent) == MAX_PAGES


def test_a_failed_look_up_is_the_callers_to_judge() -> None:
    with pytest.raises(ResponseLostError):
        Script(always(ResponseLostError("listJobRuns", "reset"))).run(find_runs(SUFFIX))


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
            {"environment": {"sparkConfigs": {f"{LINEAGE}.parentRunId": "2", f"{LINEAGE}.rootParentRunId": "4"}}},
            {"environment": {"sparkConfigs": {f"{LINEAGE}.parentRunId": "1", f"{LINEAGE}.rootParentRunId": "3"}}},
            [],
        ),
        (
            {"environment": {"sparkConfigs": {f"{LINEAGE}.parentRunId": "2", "a": "2"}}},
            {"environment": {"sparkConfigs": {"a": "1"}}},
            ["environment.sparkConfigs.a"],
        ),
        (
            {"environment": {"sparkConfigs": {f"{LINEAGE}.transport.url": "https://new"}}},
            {"environment": {"sparkConfigs": {f"{LINEAGE}.transport.url": "https://old"}}},
            [f"environment.sparkConfigs.{LINEAGE}.transport.url"],
        ),
    ],
)
def test_differing_fields_are_those_sent_not_those_the_service_fills_in(
    sent: dict[str, Any], echoed: dict[str, Any], fields: list[str]
) -> None:
    assert differing_fields(sent, echoed) == fields
