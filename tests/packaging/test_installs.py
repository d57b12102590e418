"""The wheel installs beside each Airflow, held to the versions that Airflow's constraint files name."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.installed import built_wheel
from tests.support.places import TREE

CONSTRAINTS = TREE / "requirements" / "constraints"
FILES = [CONSTRAINTS / f"airflow-{version}.txt" for version in ("2.11.0", "2.11.2", "3.0.6", "3.2.1", "3.3.1")]
"""Those that Airflow publishes."""

NEED_MORE = ("api.transports.websocket", "cosmos")
"""Modules that need packages which the provider does not require."""
IMPORT_ALL = """
import importlib, pkgutil, sys
import airflow_provider_wherobots as package

left_out = sys.argv[1:]
imported = []
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not any(module.name == name or module.name.startswith(name + ".") for name in left_out):
        importlib.import_module(module.name)
        imported.append(module.name)
print(*imported)
"""
ANSWER = """
from pathlib import Path
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.database.warehouse import Warehouse

session = Session(Warehouse(Path(), Path(), 2**30), "a")
statement = Statement(session, session.warehouse.cursor())
print(run(statement, "SELECT 7 % 4 AS a, substring('abc', 2) AS b", None, None).table.to_pylist())
"""


def versions(text: str) -> dict[str, str]:
    """The pinned versions of a requirements file, by normalised name."""
    lines = (line.partition(";")[0].strip() for line in text.splitlines() if "==" in line and not line.startswith("#"))
    pins = (line.split("==") for line in lines)
    return {name.lower().replace("_", "-").replace(".", "-"): version.strip() for name, version in pins}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_it_resolves_under_the_constraints(file: Path, wheel: Path, uv: Callable[..., str], tmp_path: Path) -> None:
    airflow = file.stem.removeprefix("airflow-")
    wanted = tmp_path / "wanted.in"
    # The server only for a DAG author's tests: there its pytest plugin is beside Airflow. Its extra "sql" needs a newer
    # PyArrow than Airflow's constraints have; the synthetic engine has the provider's.
    server = built_wheel("wherobots_local")
    wanted.write_text(
        f"airflow-provider-wherobots[sql] @ {wheel.as_uri()}\nwherobots-local[spark] @ {server.as_uri()}\n"
        f"apache-airflow=={airflow}\n"
    )

    options = ("--quiet", "--no-header", "--no-annotate", "--python-version", "3.12", "--constraint", file)
    resolved = versions(uv("pip", "compile", *options, wanted))

    assert resolved["apache-airflow"] == airflow
    assert {"requests", "aiohttp", "pendulum", "starlette", "uvicorn", "pyspark", "cbor2", "pyarrow"} <= set(resolved)
    constraints = versions(file.read_text())
    assert {name: version for name, version in resolved.items() if constraints.get(name, version) != version} == {}
    # What the constraints do not know is ours alone to bring: CBOR, Spark from 3.2 on, and on 2.11 the server's own.
    added = {name for name in resolved if name not in constraints and not name.startswith("apache-airflow")}
    own = {"starlette", "uvicorn"} if airflow.startswith("2.") else {"pyspark", "py4j"}
    assert added - {"cbor2", "wherobots-local", "airflow-provider-wherobots"} <= own


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_it_resolves_beside_the_official_one(file: Path, wheel: Path, uv: Callable[..., str], tmp_path: Path) -> None:
    page = (TREE / "docs" / "moving.md").read_text()
    found = re.search(r"add `(airflow-providers-wherobots==\S+)` to \[the command", page)
    assert found is not None
    airflow, official = file.stem.removeprefix("airflow-"), found[1]
    wanted = tmp_path / "wanted.in"
    wanted.write_text(f"airflow-provider-wherobots @ {wheel.as_uri()}\napache-airflow=={airflow}\n{official}\n")

    options = ("--quiet", "--no-header", "--no-annotate", "--python-version", "3.12", "--constraint", file)
    resolved = versions(uv("pip", "compile", *options, wanted))

    name, _, version = official.partition("==")
    assert (resolved["apache-airflow"], resolved[name]) == (airflow, version)


def test_without_extras_the_server_and_sql_are_missing(wheel: Path, uv: Callable[..., str], tmp_path: Path) -> None:
    """On the oldest Airflow and the oldest versions of everything; later ones bring the server's packages anyway."""
    python = tmp_path / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    constraints = CONSTRAINTS / "airflow-2.11.0.txt"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", constraints, wheel, "apache-airflow==2.11.0")

    installed = versions(uv("pip", "freeze", "--python", python))

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code, *arguments],
            cwd=tmp_path,
            env={"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(IMPORT_ALL, *(f"airflow_provider_wherobots.{name}" for name in NEED_MORE))
    sql = run("from airflow_provider_wherobots.hooks.sql import check_installed; check_installed()")
    dbt = run("import airflow_provider_wherobots.cosmos")

    assert installed["apache-airflow"] == "2.11.0"
    assert not {"starlette", "uvicorn", "cbor2", "pyarrow"} & set(installed)
    assert sql.stderr.endswith(
        "SQL needs pyarrow and cbor2: install the extra sql of airflow-provider-wherobots, "
        "from where you got the provider\n"
    )
    assert dbt.stderr.endswith("dbt needs Cosmos (No module named 'cosmos'): pip install astronomer-cosmos\n")
    assert done.returncode == 0, done.stderr
    assert {
        f"airflow_provider_wherobots.{kind}" for kind in ("hooks.wherobots", "operators.run", "triggers.run")
    } <= set(done.stdout.split())


def test_the_newest_versions_that_the_server_allows_answer_sql(uv: Callable[..., str], tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    wheel = f"wherobots-local[sql] @ {built_wheel('wherobots_local').as_uri()}"
    uv("pip", "install", "--quiet", "--upgrade", "--python", python, wheel)

    answer = subprocess.run([python, "-c", ANSWER], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert answer.stdout == "[{'a': 3, 'b': 'bc'}]\n", answer.stderr
