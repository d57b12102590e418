from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.runs import calls
from tests.unit.api import shapes


def test_create_run_posts_the_payload_and_is_not_repeatable() -> None:
    payload = {"name": "some_name"}
    call = calls.create_run(payload, "aws-us-west-2")
    assert (call.operation, call.method, call.path) == ("createJobRun", "POST", "/runs")
    assert call.params == (("region", "aws-us-west-2"),)
    assert call.json == payload
    assert not call.repeatable


def test_without_a_region_none_is_sent_and_an_empty_one_is_the_services_to_refuse() -> None:
    assert calls.create_run({}).params == ()
    assert calls.create_run({}, "").params == (("region", ""),)


@pytest.mark.parametrize(
    ("call", "operation", "method", "path"),
    [
        (calls.get_run("r1"), "getJobRun", "GET", "/runs/r1"),
        (calls.cancel_run("r1"), "cancelJobRun", "POST", "/runs/r1/cancel"),
        (calls.get_run_logs("r1"), "getJobRunLogs", "GET", "/runs/r1/logs"),
        (calls.get_run_metrics("r1"), "getJobRunMetrics", "GET", "/runs/r1/metrics"),
        (calls.list_runs(), "listJobRuns", "GET", "/runs"),
    ],
)
def test_every_other_endpoint_is_repeatable(call: Call[object], operation: str, method: str, path: str) -> None:
    assert (call.operation, call.method, call.path) == (operation, method, path)
    assert call.repeatable
    assert call.json is None


@pytest.mark.parametrize(
    ("run_id", "quoted"),
    [("a/b", "a%2Fb"), ("../x", "..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("a b%", "a%20b%25"), ("ü", "%C3%BC")],
)
def test_a_run_id_is_quoted_into_one_path_segment(run_id: str, quoted: str) -> None:
    assert calls.get_run(run_id).path == f"/runs/{quoted}"
    assert calls.cancel_run(run_id).path == f"/runs/{quoted}/cancel"
    assert calls.get_run_logs(run_id).path == f"/runs/{quoted}/logs"
    assert calls.get_run_metrics(run_id).path == f"/runs/{quoted}/metrics"


@pytest.mark.parametrize("run_id", ["", ".", ".."])
def test_an_id_that_would_name_another_endpoint_is_refused(run_id: str) -> None:
    for build in (calls.get_run, calls.cancel_run, calls.get_run_logs, calls.get_run_metrics):
        with pytest.raises(ValueError, match="run_id"):
            build(run_id)


def test_list_runs_repeats_the_status_parameter_and_keeps_the_order() -> None:
    call = calls.list_runs(
        name="a*",
        created_after=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        status=("PENDING", "RUNNING"),
        region="aws-us-east-1",
        cursor="c==",
        size=0,
    )
    assert call.params == (
        ("name", "a*"),
        ("created_after", "2026-01-02T03:04:05+02:00"),
        ("status", "PENDING"),
        ("status", "RUNNING"),
        ("region", "aws-us-east-1"),
        ("cursor", "c=="),
        ("size", "0"),
    )


def test_list_runs_takes_a_naive_moment_as_utc_and_sends_nothing_that_was_not_given() -> None:
    assert calls.list_runs(created_after=datetime(2026, 1, 2)).params == (
        ("created_after", "2026-01-02T00:00:00+00:00"),
    )
    assert calls.list_runs().params == ()


@pytest.mark.parametrize("cursor", ["0", 0, "1721548800123456789", 1721548800123456789, "bz0x:?&", "007"])
def test_a_log_cursor_is_sent_exactly_as_received(cursor: str | int) -> None:
    assert calls.get_run_logs("r1", cursor).params == (("cursor", str(cursor)),)


def test_logs_start_at_cursor_0_and_take_a_size() -> None:
    assert calls.get_run_logs("r1", size=1000).params == (("cursor", "0"), ("size", "1000"))


def test_each_call_reads_its_own_answer() -> None:
    assert calls.create_run({}).parse(shapes.RUN_2026).id == shapes.RUN_2026["id"]
    assert calls.get_run("r1").parse(shapes.RUN_2024).id == shapes.RUN_2024["id"]
    assert len(calls.list_runs().parse({"items": [shapes.RUN_2024], "total": 1}).items) == 1
    assert calls.get_run_logs("r1").parse(shapes.LOGS_2026).items[0].raw == "first"
    assert calls.get_run_metrics("r1").parse(shapes.METRICS).instant_metrics["CONSUMED_SPATIAL_UNITS"] == 1.25
