"""The partitions that a result names become those of the events of the task's assets, on Airflow 3.3 and later."""

import json
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import HAS_PARTITIONS
from airflow_provider_wherobots.logs.result import read_partitions
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.tasks import run_attempt
from tests.integration.decorators.test_wherobots import given
from tests.integration.operators.outlets import AssetAlias, OutletEventAccessors, asset
from tests.integration.operators.test_result import prints
from tests.integration.support import Operator, Said, TaskInstance, follow

only_with_partitions = pytest.mark.skipif(not HAS_PARTITIONS, reason="no task of this Airflow can name partitions")
WRITTEN = {"partitions": ["h3=85", "h3=86", "h3=85"], "rows": 3}


def run_to_end(task: WherobotsRunOperator, *own: Any) -> tuple[TaskInstance, OutletEventAccessors]:
    """Run the task as Airflow would. Each of its processes has new events, to which ``own`` are added first."""
    ti = TaskInstance()

    def begin() -> tuple[Any, OutletEventAccessors]:
        events = OutletEventAccessors()
        for one, partition in own:
            events[one].add_partitions(partition)
        return given(ti, outlet_events=events), events

    values, events = begin()
    task.render_template_fields(values)
    try:
        task.execute(values)
    except TaskDeferred as deferred:
        values, events = begin()
        task.execute_complete(values, follow(deferred), **(deferred.kwargs or {}))
    return ti, events


def partitions_of(event: Any) -> Any:
    return getattr(event, "partition_keys", set())


@pytest.mark.parametrize("deferrable", [True, False])
def test_each_asset_has_partitions_and_result(operator: Operator, said: Said, deferrable: bool) -> None:
    one, other = asset("one"), asset("other")
    outlets = [one, other, AssetAlias("alias"), "no asset"]
    ti, events = run_to_end(operator(run_python=prints(json.dumps(WRITTEN)), deferrable=deferrable, outlets=outlets))
    assert ti.xcoms["result"] == WRITTEN
    for event in (events[one], events[other]):
        assert partitions_of(event) == ({"h3=85", "h3=86"} if HAS_PARTITIONS else set())
        assert event.extra["result"] == ({"rows": 3} if HAS_PARTITIONS else WRITTEN)
    assert len(events) == 2, "the alias is left alone"
    assert ("Each asset of the task has one event per partition (2)" in said()) == HAS_PARTITIONS


def test_events_do_not_multiply_a_large_result(operator: Operator, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow sends all events of a task in the request that ends it, and a request too large fails the task."""
    monkeypatch.setattr(run_attempt, "MAX_COPIES_BYTES", 2 * len('{"rows": 3}') - 1)
    one = asset("one")
    ti, events = run_to_end(operator(run_python=prints(json.dumps(WRITTEN)), deferrable=False, outlets=[one]))
    assert ti.xcoms["result"] == WRITTEN
    assert partitions_of(events[one]) == ({"h3=85", "h3=86"} if HAS_PARTITIONS else set())
    assert events[one].extra["result"] == (None if HAS_PARTITIONS else WRITTEN)
    assert ("The events have no result, as the copies for 2 partitions would exceed" in said()) == HAS_PARTITIONS


def test_partitions_of_a_wrong_shape_are_a_warning(operator: Operator, said: Said) -> None:
    one, result = asset("one"), {"partitions": ["h3=85", 86]}
    ti, events = run_to_end(operator(run_python=prints(json.dumps(result)), deferrable=False, outlets=[one]))
    assert ti.xcoms["result"] == events[one].extra["result"] == result
    assert partitions_of(events[one]) == set()
    warning = "Not using the result's partitions: partitions[1] must be a string of 1 to 250 characters"
    assert (warning in said()) == HAS_PARTITIONS


def test_without_assets_nobody_needs_the_partitions(operator: Operator, said: Said) -> None:
    outlets = [AssetAlias("alias")]
    ti, _ = run_to_end(operator(run_python=prints('{"partitions": 7}'), deferrable=False, outlets=outlets))
    assert ti.xcoms["result"] == {"partitions": 7}
    assert "Not using the result's partitions" not in said()


@only_with_partitions
def test_partitions_of_the_authors_own_code_stay(operator: Operator) -> None:
    one = asset("one")
    task = operator(run_python=prints(json.dumps(WRITTEN)), outlets=[one])
    _, events = run_to_end(task, (one, "all"))
    assert partitions_of(events[one]) == {"all", "h3=85", "h3=86"}


@only_with_partitions
@pytest.mark.parametrize("key", ["", " ", "\u2003", "x", "ü" * 250, "ü" * 251])
def test_the_rules_for_a_partition_are_those_of_airflow(key: str) -> None:
    event = OutletEventAccessors()[asset("one")]
    try:
        event.add_partitions([key])
    except ValueError:
        with pytest.raises(ValueError, match="must be a string"):
            read_partitions({"partitions": [key]})
    else:
        assert read_partitions({"partitions": [key]}) == [key]


def test_a_task_can_name_partitions_since_3_3() -> None:
    assert hasattr(OutletEventAccessors()[asset("one")], "add_partitions") == HAS_PARTITIONS
