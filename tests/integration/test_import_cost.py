"""What a triggerer and a worker import, and where: an import in the event loop holds up everybody's triggers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HTTP_OF_WORKER = "airflow_provider_wherobots.api.transports.requests"

LOADED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name in sys.modules for name in sys.argv[2:]]))
"""

MODULES_OF_THE_PACKAGE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(len([name for name in sys.modules if name.startswith("airflow_provider_wherobots")])))
"""

LOADED_BEFORE_A_RUN_IS_NAMED = """
import json, sys
from airflow_provider_wherobots.operators.worker_attempt import WorkerAttempt

class Hook:
    @property
    def settings(self):
        print(json.dumps([sys.argv[2] in sys.modules, attempt._run_id, attempt._suffix_in_flight]))
        sys.exit()

attempt = WorkerAttempt(Hook(), cancel_on_kill=True)
if sys.argv[1] == "adopt":
    attempt.adopt("run0")
else:
    rest = dict.fromkeys(("look_first", "replace", "max_outage", "quota"))
    attempt.submit({"name": "a-1234567890ab"}, None, durable=True, **rest)
"""

IN_WHICH_THREAD = """
import asyncio, json, sys, threading
from airflow_provider_wherobots.hooks import wherobots

class Finder:
    found = {}
    def find_spec(self, name, path=None, target=None):
        self.found[name] = threading.current_thread() is threading.main_thread()

sys.modules.pop("aiohttp", None)
sys.meta_path.insert(0, Finder())
in_threads, to_thread = [], asyncio.to_thread

async def counted(*arguments):
    in_threads.append(arguments)
    return await to_thread(*arguments)

async def main():
    await asyncio.gather(*(wherobots._import_for_event_loop() for _ in range(100)))

asyncio.to_thread = counted
asyncio.run(main())
is_imported = all(name in sys.modules for name in wherobots.FOR_EVENT_LOOP)
print(json.dumps([Finder.found["aiohttp"], is_imported, len(in_threads) - len(wherobots.FOR_EVENT_LOOP)]))
"""

FAILED_IMPORT = """
import asyncio, json, sys
from airflow_provider_wherobots.hooks import wherobots

class Finder:
    looks = 0
    is_broken = True
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp" and self.is_broken:
            self.looks += 1
            raise ImportError(name)

async def main():
    found = await asyncio.gather(*(wherobots._import_for_event_loop() for _ in range(3)), return_exceptions=True)
    finder.is_broken = False
    await wherobots._import_for_event_loop()
    return [type(error).__name__ for error in found]

sys.modules.pop("aiohttp", None)
finder = Finder()
sys.meta_path.insert(0, finder)
failed = asyncio.run(main())
print(json.dumps([failed, finder.looks, bool(wherobots._imported_for_event_loop)]))
"""


def run(tmp_path: Path, code: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_triggerer_does_not_import_the_http_of_the_worker(tmp_path: Path) -> None:
    assert run(tmp_path, LOADED, "airflow_provider_wherobots.triggers.run", HTTP_OF_WORKER) == [False]


@pytest.mark.parametrize("module", ["operators.run", "decorators.wherobots"])
def test_a_dag_file_does_not_import_the_http_of_the_worker(module: str, tmp_path: Path) -> None:
    assert run(tmp_path, LOADED, f"airflow_provider_wherobots.{module}", HTTP_OF_WORKER) == [False]


@pytest.mark.parametrize("module", ["operators.run", "decorators.wherobots", "triggers.run", "drivers.event_loop"])
def test_a_task_without_sql_imports_nothing_of_it(module: str, tmp_path: Path) -> None:
    names = [
        "airflow_provider_wherobots.api.sql",
        "airflow_provider_wherobots.flows.sql",
        "airflow_provider_wherobots.api.transports.websocket",
        "airflow_provider_wherobots.api.transports.socket_thread",
        "cbor2",
        "pyarrow",
    ]
    assert run(tmp_path, LOADED, f"airflow_provider_wherobots.{module}", *names) == [False] * len(names)


@pytest.mark.parametrize("module", ["operators.run", "decorators.wherobots", "sensors.run"])
def test_a_dag_file_imports_nothing_that_only_a_running_task_needs(module: str, tmp_path: Path) -> None:
    package = "airflow_provider_wherobots"
    needed = ("hooks.wherobots", "drivers", "flows.effects", "api.runs.models", "api.call", "triggers.run", "files")
    names = [f"{package}.{name}" for name in needed]
    assert run(tmp_path, LOADED, f"{package}.{module}", *names) == [False] * len(names)


def test_a_dag_file_imports_few_modules_of_this_package(tmp_path: Path) -> None:
    """There are 25 to 29. Before they were split from the tries there were 80."""
    assert run(tmp_path, MODULES_OF_THE_PACKAGE, "airflow_provider_wherobots.operators.run") <= 30


def test_the_run_operator_does_not_import_the_decorator(tmp_path: Path) -> None:
    decorator = "airflow_provider_wherobots.decorators.base"
    assert run(tmp_path, LOADED, "airflow_provider_wherobots.operators.run", decorator) == [False]


SQL = (
    "airflow.providers.common.sql.hooks.sql",
    "airflow_provider_wherobots.hooks.sql",
    "airflow_provider_wherobots.dbapi",
    "airflow_provider_wherobots.sql",
    "airflow_provider_wherobots.flows.sql",
    "pyarrow",
    "cbor2",
    "sqlparse",
)


@pytest.mark.parametrize("module", ["operators.run", "decorators.wherobots", "sensors.run", "hooks.wherobots"])
def test_who_does_not_use_sql_does_not_import_it(module: str, tmp_path: Path) -> None:
    """On Airflow 2.11 importing Airflow imports sqlparse."""
    found = run(tmp_path, LOADED, f"airflow_provider_wherobots.{module}", *SQL)
    imported = [name for name, is_loaded in zip(SQL, found, strict=True) if is_loaded]
    assert imported in ([], ["sqlparse"])


@pytest.mark.parametrize("module", ["hooks.sql", "operators.sql", "operators.sql_session"])
def test_a_dag_file_that_uses_sql_imports_nothing_that_only_a_statement_needs(module: str, tmp_path: Path) -> None:
    package = "airflow_provider_wherobots"
    needed = ("pyarrow", "pandas", "cbor2", f"{package}.dbapi", f"{package}.api.transports.aiohttp", HTTP_OF_WORKER)
    assert run(tmp_path, LOADED, f"{package}.{module}", *needed) == [False] * len(needed)


def test_a_dag_file_does_not_import_openlineage(tmp_path: Path) -> None:
    module = "airflow.providers.openlineage.utils.spark"
    assert run(tmp_path, LOADED, "airflow_provider_wherobots.operators.run", module) == [False]


@pytest.mark.parametrize("method", ["adopt", "submit"])
def test_a_kill_on_a_worker_imports_nothing(method: str, tmp_path: Path) -> None:
    """All is imported before there is something to cancel."""
    assert run(tmp_path, LOADED_BEFORE_A_RUN_IS_NAMED, method, HTTP_OF_WORKER) == [True, None, None]


def test_a_failed_import_is_told_to_all_and_then_repeated(tmp_path: Path) -> None:
    assert run(tmp_path, FAILED_IMPORT) == [["ImportError"] * 3, 1, True]


def test_the_http_of_the_triggerer_is_imported_beside_its_event_loop(tmp_path: Path) -> None:
    assert run(tmp_path, IN_WHICH_THREAD) == [False, True, 0]
