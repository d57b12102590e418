"""PYPI dependencies: really installed by pip, once per set."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.made_up_files import make_endless_package, make_wheel
from local_server.tests.support import Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer

SHOW = "import six\nprint(six.__version__, six.__file__)\n"


def pypi(name: str, version: str | None = None) -> dict[str, Any]:
    return {"dependencies": [{"sourceType": "PYPI", "libraryName": name, "libraryVersion": version}]}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source of packages."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # An address: pip takes a space in a path for the end of it.
    monkeypatch.setenv("PIP_FIND_LINKS", tmp_path.as_uri())
    return tmp_path


@pytest.mark.slow
def test_a_package_of_the_index_is_installed(client: Client, server: LocalServer) -> None:
    run = client.create(SHOW, environment=pypi("six", "1.16.0"))
    wait_for(lambda: client.get(run["id"])["kubeApp"]["status"] != "PENDING", what="the preparation to begin")
    client.wait(run["id"], "COMPLETED", seconds=240)
    lines = client.lines(run["id"])
    assert "Installing six==1.16.0" in lines
    assert any(line.startswith("Successfully installed six-1.16.0") for line in lines)
    assert lines[-1].startswith("1.16.0 " + str(server.root / ".wherobots-local" / "environments"))


def test_an_environment_is_built_once_per_set(client: Client, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    make_wheel(wheels, "made_up_once", "1.0")
    source = "import made_up_once\nprint(made_up_once.VERSION)\n"
    both = [client.create(source, environment=pypi("made_up_once")) for _ in range(2)]
    logs = []
    for run in both:
        client.wait(run["id"], "COMPLETED")
        logs.append(client.lines(run["id"]))
    assert sorted(lines[0] for lines in logs) == [
        "Installing made_up_once",
        "Reusing the environment with made_up_once",
    ]
    assert [lines[-1] for lines in logs] == ["1.0", "1.0"]


def test_a_half_built_environment_is_built_again(client: Client, server: LocalServer, wheels: Path) -> None:
    make_wheel(wheels, "made_up_half", "1.0")
    source = "import made_up_half\nprint(made_up_half.__file__)\n"
    _, lines = client.run(source, environment=pypi("made_up_half"))
    installed = Path(lines[-1])
    (mark,) = (folder for folder in installed.parents if (folder / ".complete").exists())
    (mark / ".complete").unlink()
    installed.unlink()
    _, lines = client.run(source, environment=pypi("made_up_half"))
    assert lines[0] == "Installing made_up_half"
    assert Path(lines[-1]) == installed


def test_a_package_that_cannot_be_installed_fails_the_run(client: Client, wheels: Path) -> None:
    run, lines = client.run(SHOW, environment=pypi("made_up_missing", "9.9"), status="FAILED")
    assert run["kubeApp"]["status"] == "PREPARE_FAILED"
    assert "No matching distribution found for made_up_missing==9.9" in run["kubeApp"]["message"]
    assert run["startTime"] is None
    assert any("ERROR: No matching distribution" in line for line in lines)
    assert run["kubeApp"]["events"][-1]["code"] == "RUN_FAIL_EXEC"


def test_cancel_while_installing(client: Client, control: ControlClient, wheels: Path) -> None:
    make_endless_package(wheels, "made_up_slow", wheels / "pid")
    control.behaviour(cancel_delay_seconds=0)
    run = client.create(SHOW, environment=pypi("made_up_slow"))
    wait_for((wheels / "pid").exists, what="pip to begin")
    assert client.get(run["id"])["status"] == "PENDING"
    assert client.get(run["id"])["kubeApp"]["status"] == "PREPARING"
    client.cancel(run["id"])
    assert client.wait(run["id"], "CANCELLED")["startTime"] is None
