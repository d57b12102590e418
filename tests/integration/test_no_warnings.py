"""Our code causes no warning on the Airflow that runs these tests: not by being imported, nor in a DAG file."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.places import TREE
from dev.warned import Warned

IMPORT_ALL = """
import importlib, json, pkgutil
from dev.warned import Warned
import airflow_provider_wherobots as package

with Warned() as warned:
    names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    for name in names:
        importlib.import_module(name)
print("TOLD" + json.dumps([names, warned.told]))
"""

PARSE = """
import json, sys
from dev.warned import Warned

with Warned() as warned:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
print("TOLD" + json.dumps([list(bag.dags), warned.told]))
"""

MADE_UP = """
import warnings

def warn(level):
    warnings.warn("old is deprecated", DeprecationWarning, stacklevel=level)

def old(level):
    warn(level)

def __getattr__(name):
    warn(2)

def lazy():
    __getattr__("old")
"""


def run(program: str, *arguments: str, home: Path) -> tuple[list[str], list[str]]:
    """Run a program with a fresh interpreter, and return what it names and the warnings it tells."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHONWARNINGS"))}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**env, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, told = json.loads(done.stdout.rpartition("TOLD")[2])
    return names, told


def test_importing_every_module_causes_none(tmp_path: Path) -> None:
    names, told = run(IMPORT_ALL, home=tmp_path)

    assert "airflow_provider_wherobots.operators.run" in names
    assert told == []


def test_parsing_the_examples_causes_none(tmp_path: Path) -> None:
    names, told = run(PARSE, str(TREE / "example_dags"), home=tmp_path)

    assert "example_wherobots_demo" in names
    assert told == []


def module(name: str, file: Path, source: str, **names: Any) -> dict[str, Any]:
    """What a module would hold."""
    space: dict[str, Any] = {"__name__": name, **names}
    exec(compile(source, str(file), "exec"), space)  # noqa: S102 - the source is in this file
    return space


def ours(line: str, **names: Any) -> Callable[[], None]:
    """A function of ours of this one line."""
    file = TREE / "example_dags" / "made_up.py"
    function: Callable[[], None] = module("made_up", file, f"def use():\n    {line}\n", **names)["use"]
    return function


@pytest.fixture
def airflow() -> dict[str, Any]:
    return module("airflow.made_up", Path("airflow/made_up.py"), MADE_UP)


@pytest.mark.parametrize("line", ["old(1)", "old(2)", "old(3)", "old(4)", "get('old')"])
def test_a_warning_that_we_cause_is_found_whatever_its_stack_level(line: str, airflow: dict[str, Any]) -> None:
    with warnings.catch_warnings(), Warned() as warned:
        warnings.simplefilter("ignore")
        ours(line, old=airflow["old"], get=airflow["__getattr__"])()

    (told,) = warned.told
    assert told.endswith("made_up.py:2: DeprecationWarning: old is deprecated")


def test_what_airflow_asks_itself_for_is_not_ours(airflow: dict[str, Any]) -> None:
    with warnings.catch_warnings(), Warned() as warned:
        warnings.simplefilter("ignore")
        ours("lazy()", lazy=airflow["lazy"])()
        airflow["old"](1)

    assert warned.told == []
