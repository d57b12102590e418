import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import ResponseTooLargeError, ServerError
from airflow_provider_wherobots.api.runs.models import KubeApp, Run, RunPage
from airflow_provider_wherobots.flows.cancel import await_ends
from airflow_provider_wherobots.flows.list_runs import MAX_RUNS, PAGE_SIZE, find_runs, list_active_runs, list_runs
from airflow_provider_wherobots.io.base import Flow
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Answer, Script, always, answers, by_operation

SUFFIX = "-0123456789abcd"
NAME = f"hail_stats{SUFFIX}"


def service_with(number: int, *, page_size: int = 3) -> FakeService:
    service = FakeService(page_size=page_size)
    for index in range(number):
        service.add_run(f"name{index}", START - index, id=f"run{index}")
    return service


@pytest.mark.parametrize(
    ("limit", "listed", "is_cut", "pages"),
    [(None, 7, False, 3), (7, 7, False, 3), (6, 6, True, 3), (1, 1, True, 1), (100, 7, False, 3)],
)
def test_all_pages_up_to_the_limit_newest_first(limit: int | None, listed: int, is_cut: bool, pages: int) -> None:
    script = Script(service_with(7))
    runs, cut = script.run(list_runs, limit=limit, max_outage_seconds=10)
    assert len({run.id for run in runs}) == listed
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    assert cut is is_cut
    assert len(script.sent) == pages


def test_a_list_may_have_more_pages_than_the_runs_of_a_name() -> None:
    runs, _ = Script(service_with(MAX_RUNS // PAGE_SIZE + 2, page_size=1)).run(list_runs, max_outage_seconds=10)
    assert len(runs) == MAX_RUNS // PAGE_SIZE + 2


def too_large_above(size: int, runs: int) -> Answer:
    """Many runs, of which so many fit into one response."""

    def answer(call: Call[Any], moment: float) -> RunPage:
        params = dict(call.params)
        asked, first = int(params["size"]), int(params.get("cursor", "0"))
        if asked > size:
            raise ResponseTooLargeError(call.operation, call.max_bytes)
        shown = range(first, min(first + asked, runs))
        cursor = str(first + asked) if first + asked < runs else None
        return RunPage(tuple(Run(f"run{n}", f"{n}{SUFFIX}", "RUNNING") for n in shown), cursor)

    return answer


@pytest.mark.parametrize("flow", [lambda io: list_runs(io, max_outage_seconds=10), lambda io: find_runs(io, SUFFIX)])
def test_a_page_that_is_too_large_is_requested_in_smaller_ones(flow: Flow[[], Any]) -> None:
    script = Script(too_large_above(30, runs=180))
    found = script.run(flow)
    runs = found[0] if isinstance(found, tuple) else found
    assert len({run.id for run in runs}) == 180
    assert [dict(sent.call.params)["size"] for sent in script.sent[:3]] == ["100", "50", "25"]
    assert script.sleeps == []


def test_a_single_run_that_is_too_large_is_an_error() -> None:
    with pytest.raises(ResponseTooLargeError):
        Script(too_large_above(0, runs=1)).run(find_runs, SUFFIX)


@pytest.mark.parametrize("flow", [lambda io: list_runs(io, max_outage_seconds=10), lambda io: find_runs(io, SUFFIX)])
def test_runs_that_cannot_be_read_are_left_out_and_counted(flow: Flow[[], Any]) -> None:
    run = Run("run0", NAME, "RUNNING")
    script = Script(answers(RunPage((run,), next_page="2", left_out=1), RunPage((run,), left_out=1)))
    found = script.run(flow)
    assert [run.id for run in (found[0] if isinstance(found, tuple) else found)] == ["run0"]
    (note,) = script.notes
    assert (note.level, note.text) == (logging.WARNING, "Left out 2 listed runs without an id or a status")


def test_what_is_asked_for_is_sent() -> None:
    script = Script(always(RunPage(())))
    after = datetime(2026, 11, 26, tzinfo=UTC)
    script.run(
        list_runs, name="hail*", status=["FAILED"], region="here", created_after=after, limit=5, max_outage_seconds=10
    )
    (sent,) = script.sent
    assert dict(sent.call.params) == {
        "name": "hail*",
        "status": "FAILED",
        "region": "here",
        "created_after": "2026-11-26T00:00:00+00:00",
        "size": "6",
    }


def test_a_run_that_moves_to_the_next_page_is_listed_once() -> None:
    first, second = Run("a", "name", "RUNNING"), Run("b", "name", "RUNNING")
    pages = answers(RunPage((first, second), next_page="2"), RunPage((second,)))
    runs, _ = Script(pages).run(list_runs, max_outage_seconds=10)
    assert sorted(run.id for run in runs) == ["a", "b"]


def test_every_page_has_the_same_size() -> None:
    """A cursor may count pages: those of another size would begin elsewhere, and runs would be missing."""
    script = Script(service_with(130, page_size=100))
    runs, _ = script.run(list_runs, limit=120, max_outage_seconds=10)
    assert len(runs) == 120
    assert [dict(sent.call.params)["size"] for sent in script.sent] == ["100", "100"]


@pytest.mark.parametrize(
    "flow", [lambda io: list_runs(io, max_outage_seconds=20.0), lambda io: list_active_runs(io, 20.0)]
)
def test_a_longer_one_is_an_error(flow: Flow[[], object]) -> None:
    script = Script(always(ServerError("listJobRuns", 503)))
    with pytest.raises(ServerError):
        script.run(flow)
    assert sum(script.sleeps) == pytest.approx(20.0, abs=1.0)


def test_a_run_that_is_being_torn_down_is_not_active() -> None:
    page = RunPage((Run("a", "x", "RUNNING"), Run("b", "x", "RUNNING", KubeApp("DESTROYING")), Run("c", "x", "FAILED")))
    script = Script(always(page))
    assert [run.id for run in script.run(list_active_runs, 10)] == ["a"]
    assert [value for name, value in script.sent[0].call.params if name == "status"] == ["PENDING", "RUNNING"]


def test_ends_are_awaited_with_one_call_for_all_runs() -> None:
    active = RunPage(tuple(Run(run_id, "x", "RUNNING") for run_id in ("a", "b", "other")))
    one_left = RunPage((Run("b", "x", "RUNNING"), Run("other", "x", "RUNNING")))
    lists = answers(active, active, one_left, RunPage((Run("other", "x", "RUNNING"),)))
    gets = answers(Run("a", "x", "CANCELLED"), Run("b", "x", "COMPLETED"))
    script = Script(by_operation(listJobRuns=lists, getJobRun=gets))
    assert script.run(await_ends, ["a", "b", "a"]) == {"a": "CANCELLED", "b": "COMPLETED"}
    assert script.operations == ["listJobRuns", "listJobRuns", "listJobRuns", "getJobRun", "listJobRuns", "getJobRun"]
    assert script.sleeps == [2.0, 2.0, 2.0]
    assert [value for name, value in script.sent[0].call.params if name == "status"] == ["PENDING", "RUNNING"]


def test_the_wait_is_bounded() -> None:
    script = Script(always(RunPage((Run("a", "x", "RUNNING"),))), latency=0.0)
    assert script.run(await_ends, ["a"]) == {}
    assert script.sleeps == [2.0] * 37


@pytest.mark.parametrize(
    "service",
    [
        always(ServerError("listJobRuns", 503)),
        by_operation(listJobRuns=always(RunPage(())), getJobRun=always(ServerError("getJobRun", 503))),
    ],
)
def test_the_wait_ends_earlier_in_an_outage(service: Answer) -> None:
    script = Script(service)
    assert script.run(await_ends, ["a"]) == {}
    assert sum(script.sleeps) == pytest.approx(10.0, abs=1.0)


def test_nothing_is_sent_if_there_is_nothing_to_wait_for() -> None:
    script = Script(always(RunPage(())))
    assert script.run(await_ends, []) == {}
    assert script.sent == []


# The runs of a task, by their suffix


def test_only_runs_whose_names_end_so_oldest_first_over_all_pages() -> None:
    service = FakeService(page_size=2)
    for age in (50, 10, 30, 20, 40):
        service.add_run(NAME, START - age, id=f"old{age}")
        service.add_run(f"{NAME}def", START - age)
    service.runs[0].payload = {"name": f"another_name{SUFFIX}"}
    script = Script(service)
    assert [run.id for run in script.run(find_runs, SUFFIX, 3.0)] == ["old50", "old40", "old30", "old20", "old10"]
    assert len(script.sent) == 5
    assert {(sent.timeout, sent.call.urgent) for sent in script.sent} == {(3.0, False)}
    assert dict(script.sent[0].call.params) == {"name": f"*{SUFFIX}", "size": "100"}


def test_runs_of_one_moment_are_ordered_by_id_so_that_every_look_agrees() -> None:
    service = FakeService()
    for run_id in ("b", "a", "c"):
        service.add_run(NAME, START, id=run_id)
    assert [run.id for run in Script(service).run(find_runs, SUFFIX)] == ["a", "b", "c"]


def test_a_run_without_a_create_time_does_not_break_the_order() -> None:
    page = RunPage((Run("x", NAME, "RUNNING"), Run.from_json({"id": "y", "name": NAME, "status": "PENDING"})))
    assert [run.id for run in Script(always(page)).run(find_runs, SUFFIX)] == ["x", "y"]


@pytest.mark.parametrize("next_page", [None, "same"])
def test_the_last_page_names_no_next_one_or_itself(next_page: str | None) -> None:
    script = Script(always(RunPage((Run("x", NAME, "RUNNING"),), next_page=next_page)))
    assert [run.id for run in script.run(find_runs, SUFFIX)] == ["x"]
    assert len(script.sent) == (1 if next_page is None else 2)


def test_pages_without_end_are_given_up() -> None:
    counter = iter(range(10_000))
    script = Script(lambda call, moment: RunPage((), next_page=f"c{next(counter)}"))
    assert script.run(find_runs, SUFFIX) == []
    assert len(script.sent) == MAX_RUNS // PAGE_SIZE
