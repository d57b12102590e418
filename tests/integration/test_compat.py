"""Which way is taken on which Airflow: chosen by its version, never by what happens to be missing."""

import asyncio
import importlib
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_wherobots import compat

SINCE_3 = pytest.mark.skipif(compat.AIRFLOW < (3, 0), reason="2.11 has no Task SDK")
TI = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=-1)
STATE_FROM_DATABASE = compat._get_task_state_from_database


def test_the_line_is_that_of_the_version() -> None:
    assert airflow_version.startswith(f"{compat.AIRFLOW[0]}.{compat.AIRFLOW[1]}.")


@SINCE_3
def test_a_message_that_is_gone_is_told_instead_of_asking_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(task_instance: Any) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(compat, "_get_task_state_from_database", never)
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.comms", None)
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", None)
    for question in (compat.get_task_state(TI), compat.push_text(TI, "key", "value")):
        with pytest.raises(ImportError, match=r"airflow\.sdk"):
            asyncio.run(question)
    with pytest.raises(ImportError, match=r"airflow\.sdk"):
        compat.pull_xcom(TI, "key")
    with pytest.raises(ImportError, match=r"airflow\.sdk"):
        compat.get_task_state_on_worker(TI)


NAMES = {
    "airflow.sdk.execution_time.task_runner": ("RuntimeTaskInstance.get_task_states",),
    "airflow.sdk.execution_time.comms": ("GetXCom", "GetXComCount"),
    "airflow.sdk.execution_time.supervisor": ("set_supervisor_comms",),
}
NAMES_BEFORE_3_3 = {"airflow.sdk.execution_time.comms": ("GetTaskStates", "SetXCom")}
NAMES_SINCE_3_3 = {"airflow.sdk.bases.xcom": ("BaseXCom.aset",)}


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
@pytest.mark.parametrize(("max_tries", "state"), [(2, "deferred"), (3, None)], ids=["a retry", "a clear"])
def test_with_more_tries_it_was_cleared(monkeypatch: pytest.MonkeyPatch, max_tries: int, state: str | None) -> None:
    row = {"state": "deferred", "try_number": 2, "max_tries": max_tries}
    session = MagicMock()

    def query(*columns: Any) -> Any:
        found = session.__enter__.return_value.found
        found.filter.return_value.one_or_none.return_value = tuple(row[column.key] for column in columns)
        return found

    session.__enter__.return_value.query = query
    monkeypatch.setattr("airflow.utils.session.create_session", lambda: session)
    of_the_first_try = SimpleNamespace(**vars(TI), try_number=1, max_tries=2)
    assert STATE_FROM_DATABASE(of_the_first_try) == state


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
