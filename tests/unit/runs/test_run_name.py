import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.payload import build_payload
from airflow_provider_wherobots.runs.run_name import Identity, default_run_name, durable_run_name

STARTED = datetime(2026, 7, 21, 8, 0, 0, 123456, UTC)
TASK: dict[str, Any] = {
    "dag_id": "hail",
    "run_id": "scheduled__2026-07-21",
    "task_id": "stats",
    "map_index": -1,
    "dag_run_start": STARTED,
}


def identity_of(**other: Any) -> Identity:
    return Identity.of_task(**TASK | other)


def suffix_of(**other: Any) -> str:
    return identity_of(**other).suffix


def is_valid(name: str) -> bool:
    return build_payload(name=name, run_python={"uri": "s3://b/j.py"}) != {}


@pytest.mark.parametrize(
    ("dag_id", "task_id", "name"),
    [
        ("hail_dag", "group.stats", "hail_dag.group.stats"),
        ("hagel übersicht", "größe", "hagel_bersicht.gr_e"),
        ("a", "b", "airflow.a.b"),
        ("abc", "def", "airflow.abc.def"),
        ("abc", "defg", "abc.defg"),
        ("d" * 200, "t" * 200, "d" * 200 + "." + "t" * 54),
    ],
)
def test_the_default_name_is_dag_and_task_in_allowed_characters(dag_id: str, task_id: str, name: str) -> None:
    assert default_run_name(dag_id, task_id) == name


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_every_default_name_is_valid_with_and_without_the_suffix(dag_id: str, task_id: str) -> None:
    name = default_run_name(dag_id, task_id)
    assert is_valid(name)
    assert is_valid(durable_run_name(name, identity_of()))


@pytest.mark.parametrize(
    ("started", "suffix"),
    [(STARTED, "-3a64bd1e3afd63"), (STARTED.replace(microsecond=0), "-2488731e3afd63"), (None, "-502fb21e3afd63")],
)
def test_the_suffix_is_always_the_same(started: datetime | None, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a retry after an upgrade, or on another worker, would not find its run."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        found = suffix_of(dag_run_start=started)
    time.tzset()
    assert found == suffix


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "hail2"},
        {"run_id": "manual__1"},
        {"task_id": "stats2"},
        {"map_index": 0},
        {"dag_run_start": STARTED + timedelta(microseconds=1)},
        {"dag_run_start": None},
        {"iteration": 1},
        {"job": "another operator"},
        # Neighbouring parts must not run into each other.
        {"dag_id": "hail\x1f", "run_id": "scheduled__2026-07-21"},
        {"dag_id": "hai", "run_id": "lscheduled__2026-07-21"},
    ],
)
def test_any_other_task_instance_has_another_suffix(other: dict[str, Any]) -> None:
    assert suffix_of(**other) != suffix_of()


def test_the_same_moment_in_another_zone_is_the_same_suffix() -> None:
    elsewhere = STARTED.astimezone(timezone(timedelta(hours=-7)))
    assert suffix_of(dag_run_start=elsewhere) == suffix_of()


@pytest.mark.parametrize("other", [{"dag_run_start": STARTED + timedelta(hours=1)}, {"dag_run_start": None}])
def test_another_start_of_the_dag_run_changes_only_the_part_of_the_deployment(other: dict[str, Any]) -> None:
    assert identity_of(**other).task == identity_of().task
    assert identity_of(**other).deployment != identity_of().deployment


def test_the_identity_is_read_from_the_name_of_a_run() -> None:
    assert Identity.in_name(durable_run_name("hail_stats", identity_of())) == identity_of()
    assert Identity.in_name("hail_stats") is None
    assert Identity.in_name("") is None


def test_a_long_name_is_cut_to_make_room_for_the_suffix() -> None:
    name = durable_run_name("x" * 255, identity_of())
    assert len(name) == 255
    assert name.endswith(suffix_of())
