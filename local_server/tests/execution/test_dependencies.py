"""PYPI dependencies: really installed by pip, once per set, in folders that are kept for a while."""

import asyncio
import importlib.util
import os
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.made_up_files import make_endless_package, make_wheel
from local_server.tests.support import KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer
from wherobots_local.execution.virtual_environments import COMPLETE, EnvironmentCache, day_of, environment_key

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


DAY = 24 * 3600


def environment(parent: Path, name: str, day: str, unused_days: float) -> Path:
    folder = parent / name
    (folder / "bin").mkdir(parents=True)
    (folder / COMPLETE).write_text(day)
    os.utime(folder / COMPLETE, (time.time() - unused_days * DAY,) * 2)
    return folder


def test_environments_that_are_not_used_go(tmp_path: Path) -> None:
    parent = tmp_path / ".wherobots-local" / "environments"
    today = datetime.now(UTC).date().isoformat()
    gone = [environment(parent, "unused", "", 20), environment(parent, "outdated", "2020-01-01", 0.1)]
    half_built = environment(parent, "half-built", "", 0)
    (half_built / COMPLETE).unlink()
    kept = [environment(parent, "used", "", 3), environment(parent, "of-today", today, 0)]
    with LocalServer(tmp_path, api_key=KEY):
        wait_for(lambda: not any(folder.exists() for folder in (*gone, half_built)), what="the folders to be removed")
    assert all(folder.exists() for folder in kept)


def test_a_cancelled_run_locks_an_environment_while_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["six==1.16.0"]
    folder = tmp_path / environment_key(wanted)
    (folder / "left").mkdir(parents=True)
    began, go_on = threading.Event(), threading.Event()
    remove = shutil.rmtree

    def remove_late(path: Path, ignore_errors: bool = False) -> None:
        began.set()
        go_on.wait(30)
        remove(path, ignore_errors)

    async def ignore(_: bytes) -> None:
        pass

    async def cancel_during_the_removal() -> None:
        environments = EnvironmentCache(tmp_path)

        async def build() -> None:
            async with environments.python_for(wanted, environment={}, on_output=ignore):
                pass

        task = asyncio.create_task(build())
        await asyncio.to_thread(began.wait, 30)
        task.cancel()
        asyncio.get_running_loop().call_later(0.3, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not folder.exists()

    monkeypatch.setattr(shutil, "rmtree", remove_late)
    asyncio.run(cancel_during_the_removal())


def test_an_environment_in_use_stays(tmp_path: Path) -> None:
    wanted = ["six==1.16.0"]
    folder = environment(tmp_path, environment_key(wanted), "", 0)

    async def ignore(_: bytes) -> None:
        pass

    async def use() -> None:
        environments = EnvironmentCache(tmp_path)
        async with environments.python_for(wanted, environment={}, on_output=ignore):
            await environments.remove_unused(-DAY)
            assert folder.exists()
        await environments.remove_unused(-DAY)
        assert not folder.exists()
        await EnvironmentCache(tmp_path / "missing").remove_unused(DAY)

    asyncio.run(use())


@pytest.mark.parametrize(
    ("requirements", "exact"),
    [
        (["six==1.16.0"], True),
        (["six===1.16.0", "a[b]==2"], True),
        (["six"], False),
        (["six==1.*"], False),
        (["six>=1"], False),
        (["six==1.0,<2"], False),
        (["six==1.16.0", "a"], False),
    ],
)
def test_a_package_without_an_exact_version_is_installed_anew_each_day(requirements: list[str], exact: bool) -> None:
    days = [day_of(requirements, datetime(2026, 1, day, 12, tzinfo=UTC)) for day in (1, 1, 2)]
    assert days == (["", "", ""] if exact else ["2026-01-01", "2026-01-01", "2026-01-02"])
    assert len({environment_key(requirements, day) for day in days}) == (1 if exact else 2)
