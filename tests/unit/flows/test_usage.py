from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.flows.summary import RunSummary, add_metrics
from airflow_provider_wherobots.flows.usage import MIN_POINTS, usage_of
from tests.unit.api import shapes
from tests.unit.flows.script import Script, answers

START, END = 1_784_620_800.0, 1_784_621_400.0
"""2026-07-21 08:00 and 08:10 UTC."""
CPU, MEMORY, GPU = "CPU_UTILIZATION_PERCENT", "MEMORY_UTILIZATION_PERCENT", "GPU_UTILIZATION_PERCENT"
LITTLE, HALF, FULL = (12.0, 21.0), (40.0, 50.0), (95.0, 96.0)
"""The median of a series, and its peak."""


def points(median: Any, peak: Any, *, every: float = 30.0, start: float = START, end: float = END) -> list[Any]:
    count = int((end - start) / every)
    values = [median] * (count - 1) + [peak]
    return [{"value": value, "timestamp": int(start + every * (n + 1))} for n, value in enumerate(values)]


def metrics(**series: Any) -> RunMetrics:
    """Metrics with these series: a median and a peak, or the points themselves."""
    given = {key: points(*data) if isinstance(data, tuple) else data for key, data in series.items()}
    details = {
        key: {"display_name": key, "metric": {"data": data, "format": "PERCENTAGE"}} for key, data in given.items()
    }
    return RunMetrics.from_json({"series_metrics": details, "instant_metrics": {}})


def run(status: str = "COMPLETED", runtime: str | None = "small", queued_seconds: int = 60) -> Run:
    document = deepcopy(shapes.RUN_2026)
    document |= {"status": status, "startTime": "2026-07-21T08:00:00Z", "completeTime": "2026-07-21T08:10:00Z"}
    document["createTime"] = f"2026-07-21T07:{60 - queued_seconds // 60:02}:00Z"
    document["payload"]["runtime"] = runtime
    return Run.from_json(document)


def observed(
    cpu: Any, memory: Any, gpu: Any = None, *, status: str = "COMPLETED", runtime: str | None = "small"
) -> str | None:
    measured = metrics(**{CPU: cpu, MEMORY: memory, GPU: gpu})
    return RunSummary.of_run(run(status, runtime)).measured(measured).observation


def test_a_run_that_used_little_is_told_with_the_threshold_and_the_next_smaller_runtime() -> None:
    assert observed(LITTLE, (25.0, 30.04)) == (
        "The run used at most 21% of the CPU and 30% of the memory of runtime small (threshold: 33%). "
        "The next smaller runtime is tiny."
    )


@pytest.mark.parametrize(
    ("cpu", "memory", "used"),
    [
        (HALF, FULL, "up to 96% of the memory"),
        (FULL, HALF, "a median of 95% of the CPU"),
        (FULL, FULL, "a median of 95% of the CPU and up to 96% of the memory"),
        (LITTLE, (10.0, 90.0), "up to 90% of the memory"),
    ],
)
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_a_run_near_the_limit_is_told_with_the_next_larger_runtime(
    cpu: Any, memory: Any, used: str, status: str
) -> None:
    assert observed(cpu, memory, status=status) == (
        f"The run used {used} of runtime small (threshold: 90%). The next larger runtime is medium."
    )


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [(HALF, HALF), (LITTLE, HALF), (HALF, LITTLE), ((20.0, 33.0), LITTLE), ((89.9, 100.0), HALF), (HALF, (80.0, 89.9))],
)
def test_between_the_thresholds_nothing_is_said(cpu: Any, memory: Any) -> None:
    assert observed(cpu, memory) is None


@pytest.mark.parametrize(
    ("cpu", "memory", "is_read"),
    [
        ((0.0, 20.0), LITTLE, True),
        ((95.0, 100.0), LITTLE, True),
        ((95.0, 100.5), LITTLE, False),
        ((-0.5, 20.0), LITTLE, False),
        (LITTLE, (0.5, 1.5), True),
        (LITTLE, (0.5, 1.0), False),
    ],
)
def test_only_percentages_are_read(cpu: Any, memory: Any, is_read: bool) -> None:
    assert (observed(cpu, memory) is not None) is is_read


def test_what_a_failed_run_did_not_use_is_no_news() -> None:
    assert observed(LITTLE, LITTLE, status="FAILED") is None


@pytest.mark.parametrize(
    ("runtime", "of", "smaller", "larger"),
    [
        ("tiny", "runtime tiny", " The next smaller runtime is micro.", " The next larger runtime is small."),
        (
            "XXLARGE",
            "runtime XXLARGE",
            " The next smaller runtime is x-large.",
            " The next larger runtime is 4x-large.",
        ),
        ("4x-large", "runtime 4x-large", " The next smaller runtime is 2x-large.", ""),
        ("huge", "runtime huge", "", ""),
        (None, "its runtime", "", ""),
    ],
)
def test_a_next_runtime_is_named_where_one_is_known(runtime: str | None, of: str, smaller: str, larger: str) -> None:
    used = "at most 21% of the CPU and 21% of the memory"
    assert observed(LITTLE, LITTLE, runtime=runtime) == f"The run used {used} of {of} (threshold: 33%).{smaller}"
    used = "up to 96% of the memory"
    assert observed(HALF, FULL, runtime=runtime) == f"The run used {used} of {of} (threshold: 90%).{larger}"


@pytest.mark.parametrize("runtime", ["micro", "medium-himem", "x-large-hicpu", "micro-a10-gpu"])
def test_that_the_smallest_runtime_was_little_used_helps_nobody(runtime: str) -> None:
    assert observed(LITTLE, LITTLE, LITTLE, runtime=runtime) is None


def test_a_runtime_with_a_gpu_is_little_used_if_the_gpu_is() -> None:
    assert observed(LITTLE, LITTLE, runtime="small-a10-gpu") is None
    assert observed(LITTLE, LITTLE, HALF, runtime="small-a10-gpu") is None
    text = observed(LITTLE, LITTLE, LITTLE, runtime="small-a10-gpu")
    assert text is not None
    assert "and 21% of the GPU of runtime small-a10-gpu" in text
    assert text.endswith("The next smaller runtime is tiny-a10-gpu.")


@pytest.mark.parametrize(
    "cpu",
    [
        pytest.param([], id="none"),
        pytest.param(None, id="null"),
        pytest.param(points(*LITTLE, every=60.0)[:-1], id="too few points"),
        pytest.param(points(*LITTLE)[:15], id="ends early"),
        pytest.param(points(*LITTLE)[5:], id="begins late"),
        pytest.param(points(*LITTLE)[:7] + points(*LITTLE)[12:], id="has a hole"),
        pytest.param(points(None, None), id="only nulls"),
        pytest.param(points(12.0, 12.0)[:10] + points(None, None)[10:], id="nulls at the end"),
        pytest.param(points(*LITTLE, start=START - 86_400, end=END - 86_400), id="of another day"),
        pytest.param([{**one, "timestamp": one["timestamp"] * 1000} for one in points(*LITTLE)], id="milliseconds"),
        pytest.param(points(40.0, 350.0), id="percent of one core"),
        pytest.param(points(-1.0, 21.0), id="negative"),
        pytest.param([{"value": "12", "timestamp": "1"}, None, 5, {}] * 10, id="not numbers"),
    ],
)
def test_a_series_that_does_not_cover_the_run_in_percent_says_nothing(cpu: Any) -> None:
    assert observed(cpu, LITTLE) is None
    assert observed(LITTLE, cpu) is None


def test_fractions_are_not_taken_for_percent() -> None:
    assert observed((0.12, 0.21), (0.25, 0.30)) is None


def test_a_run_without_times_has_no_usage() -> None:
    little = RunSummary.of_run(Run.from_json({"id": "r1", "status": "COMPLETED"}))
    assert little.measured(metrics(**{CPU: LITTLE, MEMORY: LITTLE})).usage is None


@pytest.mark.parametrize(
    ("queued_seconds", "status", "words"),
    [
        (720, "COMPLETED", "The run was queued for 12 minutes, longer than it ran (threshold: 5 minutes)."),
        (600, "COMPLETED", None),
        (720, "FAILED", None),
    ],
)
def test_a_run_that_was_mostly_queued_is_told(queued_seconds: int, status: str, words: str | None) -> None:
    assert RunSummary.of_run(run(status, queued_seconds=queued_seconds)).observation == words


def test_the_usual_start_of_a_cluster_is_no_queue() -> None:
    assert RunSummary("r1", "", "COMPLETED", queued_seconds=299.0, ran_seconds=5.0).observation is None
    assert RunSummary("r1", "", "COMPLETED", queued_seconds=300.0, ran_seconds=5.0).observation is not None
    assert RunSummary("r1", "", "COMPLETED", queued_seconds=300.0).observation is None


def test_the_xcom_has_the_usage_and_the_observation() -> None:
    measured = metrics(**{CPU: LITTLE, MEMORY: (25.06, 30.0)})
    summary = Script(answers(measured)).run(add_metrics(RunSummary.of_run(run())))
    data = json.loads(json.dumps(summary.to_json()))
    assert data["usage"] == {"cpu": {"median": 12.0, "peak": 21.0}, "memory": {"median": 25.1, "peak": 30.0}}
    assert data["observation"] == summary.observation


@st.composite
def series(draw: st.DrawFn) -> list[Any]:
    gaps = draw(st.lists(st.floats(1, 125), min_size=8, max_size=30))
    values = st.floats(0, 100)
    return [{"timestamp": moment, "value": draw(values)} for moment in accumulate(gaps, initial=START - 30)]


@given(series(), series())
def test_usage_is_only_what_was_measured_throughout_the_run(cpu: Sequence[Any], memory: Sequence[Any]) -> None:
    usage = usage_of(metrics(**{CPU: cpu, MEMORY: memory}), START, END)
    event("measured" if usage else "not measured")
    for name, given_points in (("cpu", cpu), ("memory", memory)) if usage else ():
        within = sorted(one["timestamp"] for one in given_points if START <= one["timestamp"] <= END)
        assert usage is not None
        assert len(within) >= MIN_POINTS
        assert all(later - earlier <= 120 for earlier, later in zip([START, *within], [*within, END], strict=True))
        assert 0 <= usage[name]["median"] <= usage[name]["peak"] <= 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metric", "data", "value", CPU]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_response_fails_a_task(document: Any) -> None:
    answer = RunMetrics.from_json({"instant_metrics": document, "series_metrics": document})
    assert RunSummary.of_run(run()).measured(answer).usage is None
