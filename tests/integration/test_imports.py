"""What Airflow reads whenever it starts loads nothing of the Airflow that is installed.

``tests/unit/test_imports.py`` reads the code of each file.
"""

import json
import subprocess
import sys

import pytest

from tests.unit.test_imports import PACKAGE

# From 3.2 on, Airflow reads the definition of the commands at each start of its own command line, and, as any Airflow,
# the provider's information whenever it starts.
COMMANDS, PROVIDER_INFO = f"{PACKAGE}.cli.main", f"{PACKAGE}.get_provider_info"


def loaded_by(module: str) -> set[str]:
    code = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


@pytest.mark.parametrize("module", [COMMANDS, PROVIDER_INFO])
def test_what_airflow_reads_at_its_start_loads_no_airflow(module: str) -> None:
    assert "airflow" not in loaded_by(module)


def test_the_commands_are_defined_without_what_they_need_to_run() -> None:
    names = loaded_by(COMMANDS)
    assert {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")} == {"cli"}
    assert not {"requests", "aiohttp", "pendulum", "rich", "yaml"} & names
