"""What a triggerer and a worker import, and where: an import in the event loop holds up everybody's triggers."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_wherobots.compat import AIRFLOW

PACKAGE = "airflow_provider_wherobots"
HTTP_OF_WORKER = f"{PACKAGE}.api.transports.requests"
HTTP = ("api.transports.requests",)
RUNNING = ("hooks.wherobots", "io", "api.runs.models", "triggers.run", "files")
"""What only a running task needs."""
SQL = ("hooks.sql", "dbapi", "sql", "flows.sql", "api.sql", "api.transports.websocket")
STATEMENT = (*HTTP, "dbapi.connection", "api.transports.aiohttp")
"""What only a statement needs."""
WITHOUT: dict[str, tuple[str, ...]] = {
    "triggers.run": (*HTTP, *SQL),
    "io.event_loop": SQL,
    "hooks.wherobots": SQL,
    "operators.run": (*HTTP, *RUNNING, *SQL, "decorators.base"),
    "decorators.wherobots": (*HTTP, *RUNNING, *SQL),
    "sensors.run": (*RUNNING, *SQL),
    "operators.sql": (*RUNNING, *STATEMENT),
    "hooks.sql": STATEMENT,
}
"""What a module must not import of this package: of a triggerer the worker's part, of a DAG file what only runs."""

IMPORTED = """
import importlib
importlib.import_module(argument)
told = sorted(sys.modules)
"""

LOADED_BEFORE_A_KILL_CANCELS = f"""
from types import SimpleNamespace

from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

class Hook:
    @property
    def settings(self):
        told.extend(["{HTTP_OF_WORKER}" in sys.modules, attempt._is_ready])
        sys.exit()

told = []
attempt = RunAttempt(SimpleNamespace(hook=Hook(), deferrable=True, log=None), {{}})
if argument == "adopt":
    attempt.adopt("run0")
else:
    attempt.run(None)
"""

IN_WHICH_THREAD = """
import asyncio, threading
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
told = [Finder.found["aiohttp"], is_imported, len(in_threads) <= len(wherobots.FOR_EVENT_LOOP)]
"""

FAILED_IMPORT = """
import asyncio
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
told = [failed, finder.looks, all(name in sys.modules for name in wherobots.FOR_EVENT_LOOP)]
"""

WITHOUT_A_NAME = """
sys.modules.pop("airflow_provider_wherobots.compat")
sys.modules[argument] = None
told = ""
try:
    import airflow_provider_wherobots.compat
except ImportError as error:
    told = str(error)
"""

EVERY_MODULE = """
import importlib, pkgutil
import airflow_provider_wherobots as package
told = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
# Users without Cosmos cannot import its module.
told.remove("airflow_provider_wherobots.cosmos")
for name in told:
    importlib.import_module(name)
"""

NAMES = ["airflow.sdk.definitions.context", "airflow.sdk.execution_time.xcom"] if AIRFLOW >= (3, 0) else []
NAMES += ["airflow.sdk.configuration"] if AIRFLOW >= (3, 2) else []
"""Modules of the Task SDK, which has a configuration since 3.2."""

QUESTIONS = (
    *((IMPORTED, module) for module in WITHOUT),
    *((LOADED_BEFORE_A_KILL_CANCELS, method) for method in ("adopt", "run")),
    (IN_WHICH_THREAD, ""),
    (FAILED_IMPORT, ""),
    (EVERY_MODULE, ""),
    *((WITHOUT_A_NAME, name) for name in NAMES),
)

PROGRAM = """
import json, os, sys, traceback, warnings
import airflow.settings

warnings.filterwarnings("error", module="airflow_provider_wherobots")
import airflow_provider_wherobots.compat

for number, (code, argument) in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if child == 0:
        names = {"argument": argument, "sys": sys}
        try:
            exec(code, names)
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        with open(f"{sys.argv[1]}/{number}", "w") as file:
            json.dump(names["told"], file)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""
"""Imports what all need of Airflow, which takes long, and then asks each question in a fork of itself. What it has
imported counts as imported in all of them. Airflow sets filters of warnings itself, and comes first."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """The answer to each question."""
    folder = tmp_path_factory.mktemp("told")
    questions = [(code, f"{PACKAGE}.{argument}" if code == IMPORTED else argument) for code, argument in QUESTIONS]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        input=json.dumps(questions),
        env={**os.environ, "AIRFLOW_HOME": str(folder)},
        text=True,
        check=True,
    )
    return {question: json.loads((folder / str(number)).read_text()) for number, question in enumerate(QUESTIONS)}


@pytest.fixture
def imported(told: dict[tuple[str, str], Any], module: str) -> set[str]:
    """The modules that are there once this one is imported."""
    return set(told[IMPORTED, module])


@pytest.mark.parametrize("module", WITHOUT)
def test_a_module_imports_nothing_that_only_others_need(imported: set[str], module: str) -> None:
    others = {"airflow.providers.openlineage.utils.spark", "cbor2", "pyarrow"}
    others |= {"airflow.providers.common.sql.hooks.sql"} if "sql" not in module else {"pandas"}
    assert not imported & {*others, *(f"{PACKAGE}.{name}" for name in WITHOUT[module])}


@pytest.mark.parametrize("module", ["operators.run"])
def test_a_dag_file_imports_few_modules_of_this_package(imported: set[str]) -> None:
    """There are 25 to 29. Before they were split from the tries there were 80."""
    assert len([name for name in imported if name.startswith(PACKAGE)]) <= 30


@pytest.mark.parametrize("method", ["adopt", "run"])
def test_a_kill_on_a_worker_imports_nothing(method: str, told: dict[tuple[str, str], Any]) -> None:
    """All is imported before a kill cancels anything."""
    assert told[LOADED_BEFORE_A_KILL_CANCELS, method] == [True, False]


def test_a_failed_import_is_told_to_all_and_then_repeated(told: dict[tuple[str, str], Any]) -> None:
    assert told[FAILED_IMPORT, ""] == [["ImportError"] * 3, 3, True]


def test_the_http_of_the_triggerer_is_imported_beside_its_event_loop(told: dict[tuple[str, str], Any]) -> None:
    assert told[IN_WHICH_THREAD, ""] == [False, True, True]


def test_importing_every_module_causes_no_warning(told: dict[tuple[str, str], Any]) -> None:
    """It would be an error here, as in all tests."""
    assert f"{PACKAGE}.operators.run" in told[EVERY_MODULE, ""]


def test_a_name_that_is_gone_is_told_instead_of_taking_the_way_of_2_11(told: dict[tuple[str, str], Any]) -> None:
    assert [name for name in NAMES if name not in told[WITHOUT_A_NAME, name]] == []
