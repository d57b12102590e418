from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.runs.orphans import RunVerdict, TaskInstance, count, find_owners, ids_of, judge
from airflow_provider_wherobots.runs.run_name import durable_run_name

STARTED = datetime(2026, 7, 21, 8, 0, 0, 123456, UTC)
OWNER = TaskInstance("hail", "scheduled__2026-07-21", "stats", -1, "failed", STARTED)
PUSHED = {"run_id": "another"}

ids = st.text(min_size=1, max_size=20)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
states = st.sampled_from(
    (None, "running", "up_for_retry", "success", "failed", "skipped", "upstream_failed", "removed")
)
owners = st.builds(TaskInstance, ids, ids, ids, st.integers(-1, 1000), states, moments)


def run_of(owner: TaskInstance, name: str = "hail.stats") -> Run:
    return Run("run", durable_run_name(name, owner.identity), "RUNNING")


ENDED, MARKED = ("failed", "skipped", "upstream_failed"), ("success", "removed")
GOING_ON = (
    None,
    "scheduled",
    "queued",
    "running",
    "restarting",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "later",
)
"""Also before a retry, which re-attaches to the run, and in a state that only a later Airflow has."""
LEFT = {"run_left_active": "True"}


@pytest.mark.parametrize(
    ("states", "xcoms", "verdict"),
    [
        (ENDED, {}, RunVerdict.ORPHAN),
        (GOING_ON, {}, RunVerdict.IN_USE),
        # It succeeded, was marked, or did not wait. Airflow overwrites the state of a task that leaves its DAG.
        (MARKED, PUSHED, RunVerdict.ORPHAN),
        # Its XComs were deleted: nobody knows whether it waited.
        (MARKED, {}, RunVerdict.UNSURE),
        # On purpose: it stays, whatever became of its task.
        (MARKED, LEFT, RunVerdict.LEFT_RUNNING),
        ((*ENDED, *MARKED), PUSHED | LEFT, RunVerdict.LEFT_RUNNING),
    ],
)
def test_what_becomes_of_a_run(states: tuple[str | None, ...], xcoms: dict[str, str], verdict: RunVerdict) -> None:
    for state in states:
        owner = replace(OWNER, state=state, xcoms=xcoms)
        assert judge(run_of(owner), owner) is verdict, state


def test_a_run_without_a_task_instance_here_is_not_ours() -> None:
    assert judge(run_of(OWNER), None) is RunVerdict.NOT_OURS


@pytest.mark.parametrize("name", ["", "hail.stats", "hail-0123456789abc", "hail-0123456789ABCD", "hail_0123456789abcd"])
def test_a_name_without_a_suffix_has_no_owner(name: str) -> None:
    run = Run("run", name, "RUNNING")
    assert ids_of(run) == ""
    assert find_owners([run], [OWNER]) == {}
    assert judge(run, OWNER) is RunVerdict.NOT_OURS


def test_no_task_instance_is_read_if_no_run_has_a_suffix() -> None:
    def unread() -> Iterator[TaskInstance]:
        raise AssertionError
        yield OWNER

    assert find_owners([Run("run", "hail.stats", "RUNNING")], unread()) == {}


def test_task_instances_are_read_only_until_every_run_has_its_owner() -> None:
    read = []

    def rows() -> Iterator[TaskInstance]:
        for index in range(100):
            read.append(index)
            yield replace(OWNER, map_index=index)

    first, second = replace(OWNER, map_index=3), replace(OWNER, map_index=5)
    # Two runs of one task instance, as an unclear create may leave them.
    found = find_owners([run_of(first), run_of(second), replace(run_of(second), id="other")], rows())
    assert found == {first.identity.task: first, second.identity.task: second}
    assert read == list(range(6))


@given(owners, moments, st.integers(1, 10**9), st.sampled_from([-1, 1]), st.booleans())
def test_a_run_of_another_start_is_ours_only_if_the_xcom_names_it(
    owner: TaskInstance, start: datetime, microseconds: int, sign: int, is_named: bool
) -> None:
    """Another deployment with the same DAGs has the same ids, and another start, as the DAG run has after a clear."""
    run = run_of(replace(owner, dag_run_start=start + timedelta(microseconds=sign * microseconds)))
    present = replace(owner, dag_run_start=start, xcoms={"run_id": run.id if is_named else "another"})
    assert find_owners([run], [present]) == {ids_of(run): present}
    assert (judge(run, present) is RunVerdict.UNSURE) is not is_named


def test_counting() -> None:
    found = [RunVerdict.ORPHAN] * 10 + [RunVerdict.IN_USE] * 6 + [RunVerdict.NOT_OURS] * 4
    assert count(found) == "20 active runs: 10 orphans, 6 in use, 4 not ours"
    assert count([RunVerdict.IN_USE, RunVerdict.ORPHAN]) == "2 active runs: 1 orphan, 1 in use"
    assert count([RunVerdict.UNSURE]) == "1 active run: 0 orphans, 1 unsure"
    assert count([]) == "0 active runs"


@pytest.mark.parametrize(("map_index", "text"), [(-1, "hail.stats r"), (0, "hail.stats[0] r"), (9, "hail.stats[9] r")])
def test_a_task_instance_is_named(map_index: int, text: str) -> None:
    assert replace(OWNER, run_id="r", map_index=map_index).describe() == text
