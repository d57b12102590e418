"""The folders of virtual environments: which are kept, and for how long."""

import asyncio
import os
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_server.tests.support import KEY
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.execution.virtual_environments import COMPLETE, EnvironmentCache, day_of, environment_key

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
