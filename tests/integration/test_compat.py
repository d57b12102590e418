"""Which way is taken on which Airflow: chosen by its version, never by what happens to be missing."""

import asyncio
import importlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_wherobots import compat

SINCE_3 = pytest.mark.skipif(compat.AIRFLOW < (3, 0), reason="2.11 has no Task SDK")
TI = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=-1)


def test_the_line_is_that_of_the_version() -> None:
    assert airflow_version.startswith(f"{compat.AIRFLOW[0]}.{compat.AIRFLOW[1]}.")


GONE = """
import os, sys
import airflow.sdk

for name in sys.argv[1:]:
    if os.fork() == 0:
        sys.modules[name] = None
        import airflow_provider_wherobots.compat
        os._exit(0)
    os.wait()
"""


@SINCE_3
def test_a_name_that_is_gone_is_told_instead_of_taking_the_way_of_2_11() -> None:
    """Each in a fork, because Airflow takes long to import."""
    names = ["airflow.sdk.definitions.context", "airflow.sdk.execution_time.xcom"]
    # The Task SDK has a configuration since 3.2.
    names += ["airflow.sdk.configuration"] if compat.AIRFLOW >= (3, 2) else []
    program = [sys.executable, "-c", GONE, *names]
    done = subprocess.run(program, capture_output=True, text=True, timeout=240, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith(("ImportError", "ModuleNotFoundError"))]
    assert len(errors) == len(names), done.stderr
    assert all(name in error for name, error in zip(names, errors, strict=True)), errors


@SINCE_3
def test_a_message_that_is_gone_is_told_instead_of_asking_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(task_instance: Any) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(compat, "_get_task_state_from_database", never)
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.comms", None)
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", None)
    for question in (compat.get_task_state(TI), compat.push_text(TI, "key", "value"), compat.pull_text(TI, "key")):
        with pytest.raises(ImportError, match=r"airflow\.sdk"):
            asyncio.run(question)
    with pytest.raises(ImportError, match=r"airflow\.sdk"):
        compat.pull_xcom(TI, "key")


NAMES = {
    "airflow.sdk.execution_time.comms": ("GetXCom", "GetXComCount"),
    "airflow.sdk.execution_time.supervisor": ("set_supervisor_comms",),
}
NAMES_BEFORE_3_3 = {"airflow.sdk.execution_time.comms": ("GetTaskStates", "SetXCom")}
NAMES_SINCE_3_3 = {
    "airflow.sdk.bases.xcom": ("BaseXCom.aset",),
    "airflow.sdk.execution_time.task_runner": ("RuntimeTaskInstance.get_task_states",),
}


@SINCE_3
def test_what_is_imported_later_is_there() -> None:
    """What is imported when a task is killed, and so not by any import of the provider."""
    for names in (NAMES, NAMES_BEFORE_3_3 if compat.AIRFLOW < (3, 3) else NAMES_SINCE_3_3):
        for module, paths in names.items():
            for path in paths:
                found: Any = importlib.import_module(module)
                for name in path.split("."):
                    found = getattr(found, name)
    runner = importlib.import_module("airflow.sdk.execution_time.task_runner")
    assert "SUPERVISOR_COMMS" in runner.__annotations__ | vars(runner)


@pytest.mark.skipif(compat.AIRFLOW >= (3, 0), reason="3.x has no database in a trigger's reach")
def test_the_names_of_2_11_are_there() -> None:
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    assert all(hasattr(TaskInstance, name) for name in ("state", "dag_id", "task_id", "run_id", "map_index"))
    assert callable(create_session)
    assert callable(compat.XCom.set)
    assert callable(compat.XCom.get_one)


def test_kills_are_told_since_3_3() -> None:
    """Newer Airflows may rename it: then this fails, and a trigger meanwhile goes by its cancellation as before."""
    assert (compat.AIRFLOW >= (3, 3)) == compat.TRIGGER_HAS_ON_KILL


def test_airflow_tells_the_keys_of_the_earlier_try_where_it_is_asked_for_them() -> None:
    """The one place where a private name of Airflow's is relied on; without it a retry is only more careful."""
    told = SimpleNamespace(_ti_context_from_server=SimpleNamespace(xcom_keys_to_clear=["a", "b"]))
    assert compat.xcom_keys_of_earlier_try(told) == ("a", "b")
    assert compat.xcom_keys_of_earlier_try(SimpleNamespace(try_number=2)) is None
    if compat.AIRFLOW >= (3, 0):
        from airflow.sdk.api.datamodels._generated import TIRunContext
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        assert "xcom_keys_to_clear" in TIRunContext.model_fields
        assert "_ti_context_from_server" in RuntimeTaskInstance.__private_attributes__ or (
            "_ti_context_from_server" in RuntimeTaskInstance.__annotations__
        )


@pytest.mark.skipif(compat.AIRFLOW >= (3, 0), reason="Airflow 3 tells the keys itself")
def test_on_2_11_a_retry_reads_what_the_try_before_has_noted() -> None:
    from airflow import settings
    from airflow.models.log import Log

    def try_of(number: int, **fields: Any) -> Any:
        return SimpleNamespace(
            **{"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": 2, "dag_run": DAG_RUN, **fields},
            try_number=number,
        )

    assert not compat.note_for_retry(try_of(1), "run_suffix-1")
    assert compat.xcom_keys_of_earlier_try(try_of(2)) is None, "there is no database"
    Log.__table__.create(settings.engine)
    try:
        assert compat.note_for_retry(try_of(1), "run_suffix-1")
        assert compat.xcom_keys_of_earlier_try(try_of(2)) == ("run_suffix-1",)
        for other in (try_of(1), try_of(3), try_of(2, map_index=1), try_of(2, run_id="other"), try_of(2, dag_id="e")):
            assert compat.xcom_keys_of_earlier_try(other) == ()
        compat.note_for_retry(try_of(1), "run_id")
        assert compat.xcom_keys_of_earlier_try(try_of(2)) == ("run_id", "run_suffix-1"), "the newest first"
        assert compat.xcom_keys_of_earlier_try(try_of(2, dag_run=ANOTHER)) == (), "of a deleted DAG run"
    finally:
        Log.__table__.drop(settings.engine)


DAG_RUN, ANOTHER = SimpleNamespace(id=7), SimpleNamespace(id=8)


def poke_of(try_number: int, **fields: Any) -> Any:
    ids = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "dag_run": DAG_RUN, **fields}
    ids.setdefault("xcom_push", lambda **_: None)
    return SimpleNamespace(**ids, try_number=try_number)


@SINCE_3
def test_a_poke_learns_from_the_keys_of_the_poke_before_since_when_pokes_fail() -> None:
    pushed: list[str] = []

    def next_poke(try_number: int) -> Any:
        told = SimpleNamespace(xcom_keys_to_clear=["run_id", *pushed])
        pushed.clear()
        return poke_of(try_number, _ti_context_from_server=told, xcom_push=lambda key, value: pushed.append(key))

    for poke, since in ((next_poke(2), 1_764_300_000.4), (next_poke(2), None)):
        compat.keep_failing_since(poke, since)
        assert pushed == ([] if since is None else ["pokes_fail_since_1764300000_in_try_2"])
        assert compat.failing_since(next_poke(2)) == (None if since is None else 1_764_300_000.0)
    compat.keep_failing_since(next_poke(2), 1_764_300_000.0)
    assert compat.failing_since(next_poke(3)) is None, "a new try begins anew"


@pytest.mark.skipif(compat.AIRFLOW >= (3, 0), reason="Airflow 3 tells the keys itself")
def test_on_2_11_a_poke_reads_what_the_poke_before_has_noted() -> None:
    from airflow import settings
    from airflow.models.log import Log

    start = datetime.now(UTC) - timedelta(minutes=1)
    poke, other = poke_of(1), poke_of(1, map_index=3)
    compat.keep_failing_since(poke, 1.0)
    assert compat.failing_since(poke) is None, "there is no database, which is no failure"
    Log.__table__.create(settings.engine)
    try:
        compat.keep_failing_since(poke, None)
        assert compat.failing_since(poke) is None
        compat.keep_failing_since(poke, 1.0)
        since = compat.failing_since(poke)
        assert since is not None
        assert since > start.timestamp()
        compat.keep_failing_since(poke, since)
        assert compat.failing_since(poke) == since
        for one in (poke_of(2), other):
            assert compat.failing_since(one) is None
        assert compat.failing_since(poke_of(1, dag_run=ANOTHER)) is None
        compat.keep_failing_since(poke, None)
        assert compat.failing_since(poke) is None
    finally:
        Log.__table__.drop(settings.engine)
