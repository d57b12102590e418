import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs import models
from airflow_provider_wherobots.api.runs.models import KubeApp, LogPage, Run, RunMetrics, RunPage, parse_time
from tests.unit.api import shapes

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_a_run_in_the_shape_of_2026() -> None:
    run = Run.from_json(shapes.RUN_2026)
    assert (run.id, run.name, run.status) == ("0s3wureoxx7aw3", "hail_stats_20260721", "FAILED")
    assert run.create_time == datetime(2026, 7, 21, 8, 0, 0, 123456, UTC)
    assert run.start_time == datetime(2026, 7, 21, 8, 3, tzinfo=UTC)
    assert run.complete_time == datetime(2026, 7, 21, 8, 4, tzinfo=UTC)
    assert run.kube_app.region == "aws-us-west-2"
    assert run.kube_app.resolved_version == "2.1.0"
    assert run.kube_app.spark_ui_url is None
    assert [event.code for event in run.kube_app.events] == ["APP_START_CREATION", None]
    assert run.payload["timeoutSeconds"] == 3600
    assert run.raw == shapes.RUN_2026


def test_a_run_in_the_shape_of_2024() -> None:
    run = Run.from_json(shapes.RUN_2024)
    assert (run.id, run.status, run.kube_app.status) == ("gt3oirei5widjk", "PENDING", "PENDING")
    assert run.create_time == datetime(2024, 9, 25, 18, 23, 1, 538000, UTC)
    assert run.kube_app.events == ()
    assert run.kube_app.region is None
    assert not run.is_terminal


def test_only_id_and_status_are_required() -> None:
    run = Run.from_json({"id": "r1", "status": "PENDING"})
    assert run == Run("r1", "", "PENDING", raw={"id": "r1", "status": "PENDING"})


def test_null_everywhere_else_is_as_good_as_absent() -> None:
    nulls = dict.fromkeys(shapes.RUN_2026) | {"id": "r1", "status": "RUNNING"}
    run = Run.from_json(nulls)
    assert (run.name, run.create_time, run.kube_app, run.payload) == ("", None, KubeApp(), {})


@pytest.mark.parametrize("answer", [None, [], "run", {}, {"id": "r1"}, {"status": "PENDING"}, {"id": 1, "status": "X"}])
def test_what_is_no_run_is_a_value_error(answer: Any) -> None:
    with pytest.raises(ValueError, match="a run must"):
        Run.from_json(answer)


@given(st.sampled_from([key for key in shapes.RUN_2026 if key not in ("id", "status")]), JSON_VALUES)
def test_a_strange_value_in_any_other_field_never_hides_the_status(field: str, value: Any) -> None:
    run = Run.from_json(deepcopy(shapes.RUN_2026) | {field: value})
    assert run.status == "FAILED"
    assert run.reason is None or isinstance(run.reason, str)


@given(st.sampled_from(sorted(shapes.RUN_2026["kubeApp"])), JSON_VALUES)
def test_a_strange_value_in_the_application_never_hides_the_status(field: str, value: Any) -> None:
    document = deepcopy(shapes.RUN_2026)
    document["kubeApp"][field] = value
    assert Run.from_json(document).status == "FAILED"


ENDED = {"completeTime": "2026-07-21T08:04:00Z"}


def test_times_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(models, "parse_time", lambda value: read.append(value))
    run = Run.from_json(shapes.RUN_2026)
    assert (run.is_terminal, run.is_active, read) == (True, False, [])
    assert run.create_time is None
    assert read == [shapes.RUN_2026["createTime"]]


@pytest.mark.parametrize("raw", [{}, ENDED])
def test_a_status_says_whether_a_run_is_active_and_of_an_unknown_one_the_completion_time(raw: dict[str, Any]) -> None:
    def states(status: str, app: str = "READY") -> tuple[bool, bool]:
        run = Run("r1", "n", status, kube_app=KubeApp(status=app), raw=raw)
        return run.is_active, run.is_terminal

    assert {states(status) for status in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")} == {(False, True)}
    assert {states(status) for status in ("PENDING", "RUNNING")} == {(True, False)}
    assert states("HIBERNATING") == ((False, True) if raw else (True, False))
    for torn_down in ("DESTROY_REQUESTED", "DESTROYING", "DESTROY_FAILED", "DESTROYED"):
        assert states("RUNNING", torn_down) == (False, False)


@pytest.mark.parametrize(
    ("status", "code", "message", "timed_out"),
    [
        ("TIMED_OUT", None, None, True),
        ("FAILED", "RUN_FAIL_EXEC", "Execution TimeOut after 3600 s", True),
        ("FAILED", "RUN_FAIL_EXEC", "exit code 1", False),
        ("FAILED", "RUN_FAIL_EXEC", None, False),
        ("FAILED", None, "timeout", False),
        ("CANCELLED", "RUN_FAIL_EXEC", "timeout", False),
        ("COMPLETED", "RUN_FAIL_EXEC", "timeout", False),
    ],
)
def test_both_ways_of_reporting_a_timeout(status: str, code: str | None, message: str | None, timed_out: bool) -> None:
    run = Run("r1", "n", status, kube_app=KubeApp.from_json({"events": [{"code": code, "message": message}]}))
    assert run.has_timed_out is timed_out


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ({"message": "trace", "events": [{"code": "A", "message": "x"}]}, "trace"),
        ({"message": None, "events": [{"code": "A", "message": "old"}, {"code": "B", "message": "new"}]}, "B: new"),
        ({"message": "", "events": [{"code": "A", "message": "old"}, {"code": "B", "message": None}]}, "A: old"),
        ({"events": [{"code": None, "message": "uncoded"}]}, "uncoded"),
        ({"events": []}, None),
        (None, None),
    ],
)
def test_the_reason_is_the_trace_else_the_newest_event_with_words(app: Any, reason: str | None) -> None:
    assert Run("r1", "n", "FAILED", kube_app=KubeApp.from_json(app)).reason == reason


def test_a_page_of_runs_with_and_without_a_next_one() -> None:
    page = RunPage.from_json({"items": [shapes.RUN_2026, shapes.RUN_2024], "total": 2, "next_page": "bz0y"})
    assert ([run.id for run in page.items], page.next_page) == (["0s3wureoxx7aw3", "gt3oirei5widjk"], "bz0y")
    assert RunPage.from_json({"items": []}) == RunPage(())
    assert RunPage.from_json({"items": [], "total": None, "next_page": None}) == RunPage(())


@pytest.mark.parametrize("odd", [{"id": "r1", "status": None}, {"status": "RUNNING"}, {}, None, "x"])
def test_a_run_that_cannot_be_read_is_left_out_and_counted(odd: Any) -> None:
    page = RunPage.from_json({"items": [odd, shapes.RUN_2026, odd], "next_page": "bz0y"})
    assert ([run.id for run in page.items], page.next_page, page.left_out) == (["0s3wureoxx7aw3"], "bz0y", 2)


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": "x"}, {"items": {}}, [], None, "x"])
def test_what_is_no_page_of_runs_is_an_error(answer: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        RunPage.from_json(answer)


@pytest.mark.parametrize("odd", [{"timestamp": "1"}, {}, None, "x"])
def test_a_log_item_without_a_text_is_left_out_and_counted(odd: Any) -> None:
    page = LogPage.from_json({"items": [{"timestamp": "1", "raw": "a"}, odd, {"raw": "b"}]})
    assert (page.lines, page.left_out) == ((("1", "a"), ("", "b")), 1)


def test_log_timestamps_keep_all_19_digits_as_string_and_as_int() -> None:
    text = LogPage.from_json(json.loads(json.dumps(shapes.LOGS_2026)))
    assert [line.timestamp for line in text.items] == ["1721548800123456789", "1721548800123456790"]
    assert (text.current_page, text.next_page) == ("0", None)
    number = LogPage.from_json(json.loads(json.dumps(shapes.LOGS_2024)))
    assert [line.timestamp for line in number.items] == [1721548800123456789, 1721548800123456790]
    assert (number.current_page, number.next_page) == (0, 1721548800123456790)


@pytest.mark.parametrize("cursor", ["", None, 1.5, [], {}])
def test_what_is_no_cursor_reads_as_none(cursor: Any) -> None:
    assert LogPage.from_json({"items": [], "next_page": cursor}).next_page is None


def test_a_log_line_without_a_usable_time_or_text_is_still_a_line() -> None:
    page = LogPage.from_json({"items": [{"timestamp": None, "raw": None}, {"timestamp": [1], "raw": 5}]})
    assert [(line.timestamp, line.raw) for line in page.items] == [("", ""), ("[1]", "5")]
    assert len({line.timestamp for line in page.items}) == 2


def test_metrics_keep_null_values_and_the_series() -> None:
    metrics = RunMetrics.from_json(shapes.METRICS)
    assert metrics.instant_metrics == {"COST_USD": None, "CONSUMED_SPATIAL_UNITS": 1.25}
    assert "CPU_UTILIZATION_PERCENT" in metrics.raw["series_metrics"]


def test_a_series_has_its_known_points_in_order_of_time() -> None:
    given: list[tuple[Any, Any]] = [(5, 1.5), (3, 2), (4, None), (None, 7), (6, True), (7, float("nan")), (8, 10**400)]
    data: list[Any] = [*({"timestamp": moment, "value": value} for moment, value in given), None, []]
    metrics = RunMetrics.from_json({"series_metrics": {"CPU": {"metric": {"data": data}}}})
    assert metrics.series("CPU") == [(3, 2), (5, 1.5)]
    assert RunMetrics.from_json(shapes.METRICS).series("CPU_UTILIZATION_PERCENT") == [(1710000000, 12.5)]
    assert RunMetrics({}).series("CPU") == []


@pytest.mark.parametrize("length", [models.MAX_POINTS, models.MAX_POINTS + 1])
def test_a_series_that_would_take_long_to_sort_is_not_read(length: int) -> None:
    data = [{"timestamp": moment, "value": 1} for moment in range(length)]
    series = RunMetrics.from_json({"series_metrics": {"CPU": {"metric": {"data": data}}}}).series("CPU")
    assert len(series) == (length if length <= models.MAX_POINTS else 0)


def test_metrics_that_are_not_there_yet_read_as_none() -> None:
    assert RunMetrics.from_json({"instant_metrics": {"COST_USD": None}}).instant_metrics == {"COST_USD": None}
    assert RunMetrics.from_json({"instant_metrics": None}).instant_metrics == {}
    assert RunMetrics.from_json({}).instant_metrics == {}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-09-25T18:23:01.538Z", datetime(2024, 9, 25, 18, 23, 1, 538000, UTC)),
        ("2024-09-25T18:23:01", datetime(2024, 9, 25, 18, 23, 1, tzinfo=UTC)),
        ("2024-09-25T20:23:01+02:00", datetime(2024, 9, 25, 18, 23, 1, tzinfo=UTC)),
        ("P1D", None),
        (None, None),
        (1727288581, None),
    ],
)
def test_times_without_an_offset_are_utc_and_unreadable_ones_none(text: Any, moment: datetime | None) -> None:
    assert parse_time(text) == moment
