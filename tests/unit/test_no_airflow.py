"""The core stands without Airflow: importing it, all of it, loads no module of Airflow's."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_wherobots.api
import airflow_provider_wherobots.flows

IMPORT_AND_LIST = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(name for name in sys.modules if name == "airflow" or name.startswith("airflow."))))
"""


def modules_of(package: object) -> list[str]:
    name, path = package.__name__, package.__path__  # type: ignore[attr-defined]
    return [name, *(found.name for found in pkgutil.walk_packages(path, f"{name}."))]


def airflow_modules_after_importing(names: list[str]) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_LIST, json.dumps(names)], capture_output=True, text=True, check=True
    )
    loaded: list[str] = json.loads(answer.stdout)
    return loaded


def test_the_package_itself_imports_nothing_of_airflow() -> None:
    assert airflow_modules_after_importing(["airflow_provider_wherobots"]) == []


@pytest.mark.parametrize("package", [airflow_provider_wherobots.api, airflow_provider_wherobots.flows])
def test_no_module_of_the_core_imports_airflow(package: object) -> None:
    names = modules_of(package)
    assert len(names) > 5
    assert airflow_modules_after_importing(names) == []


def test_the_provider_info_is_told_without_airflow() -> None:
    """Airflow reads it of every provider whenever it starts."""
    assert airflow_modules_after_importing(["airflow_provider_wherobots.get_provider_info"]) == []


def test_the_check_sees_airflow_where_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a real one: the unit tests run where no Airflow is installed."""
    (tmp_path / "airflow.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert airflow_modules_after_importing(["airflow"]) == ["airflow"]
