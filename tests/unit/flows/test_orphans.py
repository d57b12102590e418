from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.orphans import (
    Owner,
    RunVerdict,
    SessionUser,
    count,
    find_owners,
    judge,
    judge_session,
    suffix_of,
)
from airflow_provider_wherobots.flows.run_name import durable_run_name

STARTED = datetime(2026, 7, 21, 8, 0, 0, 123456, UTC)
OWNER = Owner("hail", "scheduled__2026-07-21", "stats", -1, STARTED, "failed")
PUSHED = frozenset({"run_id", "run_url"})

ids = st.text(min_size=1, max_size=20)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
states = st.sampled_from(
    (
        None,
        "queued",
        "running",
        "deferred",
        "up_for_retry",
        "success",
        "failed",
        "skipped",
        "upstream_failed",
        "removed",
    )
)
owners = st.builds(Owner, ids, ids, ids, st.integers(-1, 1000), moments, states)


def run_of(owner: Owner, name: str = "hail.stats") -> Run:
    return Run("run", durable_run_name(name, owner.suffix), "RUNNING")


@pytest.mark.parametrize("state", ["failed", "skipped", "upstream_failed"])
def test_the_run_of_a_task_that_has_ended_is_an_orphan(state: str) -> None:
    owner = replace(OWNER, state=state)
    assert judge(run_of(owner), owner) is RunVerdict.ORPHAN


@pytest.mark.parametrize(
    "state",
    [None, "scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule", "later"],
)
def test_the_run_of_a_task_that_goes_on_is_in_use(state: str | None) -> None:
    """Also before a retry, which re-attaches to it, and in a state that only a later Airflow has."""
    owner = replace(OWNER, state=state)
    assert judge(run_of(owner), owner) is RunVerdict.IN_USE


@pytest.mark.parametrize(
    ("xcom_keys", "verdict"),
    [
        (PUSHED, RunVerdict.ORPHAN),
        (PUSHED | {"run_left_active"}, RunVerdict.LEFT_ACTIVE),
        (frozenset({"run_left_active"}), RunVerdict.LEFT_ACTIVE),
        # Its XComs were deleted: nobody knows whether it waited.
        (frozenset(), RunVerdict.UNSURE),
        (frozenset({"return_value"}), RunVerdict.UNSURE),
    ],
)
@pytest.mark.parametrize("state", ["success", "removed"])
def test_a_task_that_succeeded_was_marked_or_did_not_wait(
    state: str, xcom_keys: frozenset[str], verdict: RunVerdict
) -> None:
    """Also if it was removed from its DAG afterwards: Airflow overwrites its state."""
    owner = replace(OWNER, state=state, xcom_keys=xcom_keys)
    assert judge(run_of(owner), owner) is verdict


@pytest.mark.parametrize("state", ["failed", "skipped", "removed"])
def test_a_run_that_was_left_active_on_purpose_stays_whatever_became_of_its_task(state: str) -> None:
    owner = replace(OWNER, state=state, xcom_keys=PUSHED | {"run_left_active"})
    assert judge(run_of(owner), owner) is RunVerdict.LEFT_ACTIVE


def test_a_run_without_an_owner_is_of_others() -> None:
    assert judge(run_of(OWNER), None) is RunVerdict.OF_OTHERS


@pytest.mark.parametrize("name", ["", "hail.stats", "hail-0123456789a", "hail-0123456789AB", "hail_0123456789ab"])
def test_a_name_without_a_suffix_has_no_owner(name: str) -> None:
    run = Run("run", name, "RUNNING")
    assert suffix_of(run) is None
    assert find_owners([run], [OWNER]) == {}
    assert judge(run, OWNER) is RunVerdict.OF_OTHERS


def test_the_database_is_not_read_if_no_run_has_a_suffix() -> None:
    def unread() -> Iterator[Owner]:
        raise AssertionError
        yield OWNER

    assert find_owners([Run("run", "hail.stats", "RUNNING")], unread()) == {}


def test_the_database_is_read_only_until_every_run_has_its_owner() -> None:
    read = []

    def rows() -> Iterator[Owner]:
        for index in range(100):
            read.append(index)
            yield replace(OWNER, map_index=index)

    first, second = replace(OWNER, map_index=3), replace(OWNER, map_index=5)
    # Two runs of one task instance, as an unclear create may leave them.
    found = find_owners([run_of(first), run_of(second), replace(run_of(second), id="other")], rows())
    assert found == {first.suffix: first, second.suffix: second}
    assert read == list(range(6))


@given(owners, st.text("abc.-_", max_size=300))
def test_every_run_of_a_task_instance_finds_it(owner: Owner, name: str) -> None:
    run = run_of(owner, name)
    assert find_owners([run], [owner]) == {suffix_of(run): owner}


def test_the_suffix_that_a_task_left_word_of_counts_though_a_clear_gave_its_dag_run_another_start() -> None:
    run = run_of(OWNER)
    cleared = replace(OWNER, dag_run_start=OWNER.dag_run_start + timedelta(hours=1), noted_suffix=OWNER.suffix)
    assert find_owners([run], [cleared]) == {suffix_of(run): cleared}
    assert judge(run, replace(cleared, state="failed")) is RunVerdict.ORPHAN


@given(owners, st.integers(1, 9))
def test_the_time_zone_in_which_a_start_is_read_does_not_matter(owner: Owner, hours: int) -> None:
    elsewhere = replace(owner, dag_run_start=owner.dag_run_start.astimezone(timezone(timedelta(hours=hours))))
    assert elsewhere.suffix == owner.suffix


@given(owners, st.integers(1, 10**9), st.sampled_from([-1, 1]))
def test_no_run_of_a_deployment_with_the_same_dags_is_ever_ours(owner: Owner, microseconds: int, sign: int) -> None:
    """Its DAG runs have the same ids, and started at least a microsecond earlier or later."""
    stranger = replace(owner, dag_run_start=owner.dag_run_start + timedelta(microseconds=sign * microseconds))
    run = run_of(stranger)
    assert find_owners([run], [owner]) == {}
    assert judge(run, owner) is RunVerdict.OF_OTHERS


@given(st.lists(owners, max_size=20), st.lists(owners, max_size=5), states)
def test_only_runs_of_task_instances_that_have_ended_are_orphans(
    ours: list[Owner], strangers: list[Owner], state: str | None
) -> None:
    runs = [run_of(owner) for owner in (*ours, *strangers)]
    found = find_owners(runs, ours)
    known = {owner.suffix: owner for owner in ours}
    for run in runs:
        verdict = judge(run, found.get(suffix_of(run) or ""))
        if verdict is RunVerdict.ORPHAN:
            assert known[suffix_of(run) or ""].state in {"failed", "skipped", "upstream_failed", "removed"}


def user(state: str | None, key: str = "", *, active: bool = False) -> SessionUser:
    return SessionUser(replace(OWNER, state=state), active, key)


OWN_KEY = durable_run_name("hail.stats", OWNER.suffix)


@pytest.mark.parametrize(
    ("users", "verdict"),
    [
        ([], RunVerdict.OF_OTHERS),
        ([user("success", OWN_KEY), user("failed")], RunVerdict.ORPHAN),
        # A task that has not begun may use it.
        ([user("success", OWN_KEY, active=True)], RunVerdict.IN_USE),
        ([user("success", OWN_KEY), user(None)], RunVerdict.IN_USE),
        ([user("success", OWN_KEY), user("deferred")], RunVerdict.IN_USE),
        # Anybody with the same arguments, or the same key, may share it.
        ([user("success"), user("failed")], RunVerdict.UNSURE),
        ([user("success", "nightly")], RunVerdict.UNSURE),
        ([user("success", "550e8400-e29b-41d4-a716-446655440000")], RunVerdict.UNSURE),
    ],
)
def test_a_session_is_an_orphan_only_if_it_is_a_tasks_own_and_its_dag_runs_have_ended(
    users: list[SessionUser], verdict: RunVerdict
) -> None:
    assert judge_session(users) is verdict


def test_counting() -> None:
    found = [RunVerdict.ORPHAN] * 10 + [RunVerdict.IN_USE] * 6 + [RunVerdict.OF_OTHERS] * 4
    assert count(found) == "20 active runs: 10 orphans, 6 in use, 4 of others"
    assert count([RunVerdict.IN_USE, RunVerdict.ORPHAN]) == "2 active runs: 1 orphan, 1 in use"
    assert count([RunVerdict.UNSURE]) == "1 active run: 0 orphans, 1 unsure"
    assert count([RunVerdict.ORPHAN], "SQL session") == "1 SQL session: 1 orphan"
    assert count([]) == "0 active runs"


@pytest.mark.parametrize(("map_index", "text"), [(-1, "hail.stats r"), (0, "hail.stats[0] r"), (9, "hail.stats[9] r")])
def test_a_task_instance_is_named(map_index: int, text: str) -> None:
    assert replace(OWNER, run_id="r", map_index=map_index).describe() == text
