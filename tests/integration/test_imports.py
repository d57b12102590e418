"""What stands below the hook loads nothing of the Airflow that is installed.

``tests/unit/test_imports.py`` reads the code of each file; here the modules are imported.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.test_imports import PACKAGE, WITHOUT_AIRFLOW, modules_of

# From 3.2 on, Airflow reads the definition of the commands at each start of its own command line, and, as any Airflow,
# the provider's information whenever it starts.
COMMANDS = f"{PACKAGE}.cli.main"
AT_ITS_START = (PACKAGE, COMMANDS, f"{PACKAGE}.get_provider_info")
STEPS = {
    **{name: [name] for name in AT_ITS_START},
    **{room: modules_of(room) for room in WITHOUT_AIRFLOW},
    "Airflow itself": ["airflow"],
}
IMPORT_AND_TELL = """
import importlib, json, sys
told = {}
for step, names in json.loads(sys.argv[1]).items():
    before = set(sys.modules)
    for name in names:
        importlib.import_module(name)
    told[step] = sorted(set(sys.modules) - before)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """By step: the modules that are loaded, of those that no step before it has loaded."""
    told = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_TELL, json.dumps(STEPS)], capture_output=True, text=True, check=True
    )
    modules: dict[str, list[str]] = json.loads(told.stdout)
    return modules


def test_no_module_below_the_hook_loads_airflow(loaded: dict[str, list[str]]) -> None:
    assert [step for step, names in loaded.items() if "airflow" in names] == ["Airflow itself"]


def test_the_commands_are_defined_without_what_they_need_to_run(loaded: dict[str, list[str]]) -> None:
    names = [*loaded[PACKAGE], *loaded[COMMANDS]]
    assert {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")} == {"cli"}
    assert not {"requests", "aiohttp", "pendulum", "rich"} & set(names)
