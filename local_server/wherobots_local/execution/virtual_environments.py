"""Virtual environments for the PYPI dependencies of runs: one per set, built once, kept under the server's root."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import site
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wherobots_local.execution.environment_folders import (
    COMPLETE,
    day_of,
    environment_key,
    locked,
    mark_complete,
    remove_unused,
)
from wherobots_local.execution.failures import failure_message
from wherobots_local.execution.process import GuardedProcess, OnOutput, StartError

_BASE_PACKAGES = "zz_wherobots_local_base.pth"
_LAST_BLOCKS = 50


class PrepareError(Exception):
    """The dependencies of a run could not be prepared."""


class EnvironmentCache:
    """Creates virtual environments and reuses them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.asynccontextmanager
    async def python_for(
        self, requirements: Sequence[str], *, environment: Mapping[str, str], on_output: OnOutput
    ) -> AsyncIterator[Path]:
        """Provide an interpreter with the requirements until the end of the block. Install them first if necessary.

        Without requirements it is the server's own interpreter. Raises ``PrepareError`` with pip's own error.
        """
        if not requirements:
            yield Path(sys.executable)
            return
        wanted = sorted(set(requirements))
        self._folder.mkdir(parents=True, exist_ok=True)
        built = False
        while True:
            day = day_of(wanted, datetime.now(UTC))
            folder = self._folder / environment_key(wanted, day)
            async with locked(folder, shared=True):
                if (folder / COMPLETE).exists():
                    os.utime(folder / COMPLETE)
                    if not built:
                        await on_output(f"Reusing the environment with {', '.join(wanted)}\n".encode())
                    yield folder / "bin" / "python"
                    return
            async with locked(folder, shared=False):
                if not (folder / COMPLETE).exists():
                    await self._build(folder, wanted, day, environment, on_output)
                    built = True

    def remove_unused(self, unused_seconds: float) -> None:
        remove_unused(self._folder, unused_seconds)

    async def _build(
        self, folder: Path, wanted: Sequence[str], day: str, environment: Mapping[str, str], on_output: OnOutput
    ) -> None:
        await on_output(f"Installing {', '.join(wanted)}\n".encode())
        await _to_its_end(shutil.rmtree, folder, True)
        for argv in _build_commands(folder, folder / "bin" / "python", wanted):
            await _execute(argv, environment, self._folder, on_output)
        await _to_its_end(_finish, folder, day)


async def _to_its_end(change: Callable[..., object], *arguments: object) -> None:
    """Change an environment in a thread, whose end a cancelled run waits for: its lock must not end before."""
    thread = asyncio.ensure_future(asyncio.to_thread(change, *arguments))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        raise


def _build_commands(folder: Path, python: Path, wanted: Sequence[str]) -> list[list[str]]:
    """Return the commands that make an environment. The server's own pip is used if it has one, because putting a pip
    into each environment would take longer than most installations."""
    venv = [sys.executable, "-m", "venv", str(folder)]
    install = ["install", "--progress-bar", "off", "--", *wanted]
    if importlib.util.find_spec("pip") is None:
        return [venv, [str(python), "-m", "pip", *install]]
    return [[*venv, "--without-pip"], [sys.executable, "-m", "pip", "--python", str(python), *install]]


def _finish(folder: Path, day: str) -> None:
    """Make the server's own packages (such as PySpark) importable after the run's; mark the environment as complete."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    own = [path for path in (*user, *site.getsitepackages()) if os.path.isdir(path)]
    for packages in folder.glob("lib*/python*/site-packages"):
        lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in own)
        (packages / _BASE_PACKAGES).write_text(lines, encoding="utf-8")
    mark_complete(folder, day)


async def _execute(argv: Sequence[str], environment: Mapping[str, str], folder: Path, on_output: OnOutput) -> None:
    last: deque[bytes] = deque(maxlen=_LAST_BLOCKS)

    async def take(lines: bytes) -> None:
        last.append(lines)
        await on_output(lines)

    try:
        process = await GuardedProcess.start(argv, environment=environment, folder=folder, on_output=take)
    except StartError as error:
        raise PrepareError(f"The dependencies could not be installed: {error}") from None
    async with process:
        code = await process.wait()
    if code != 0:
        lines = b"".join(last).decode("utf-8", errors="replace").splitlines()
        raise PrepareError(f"The dependencies could not be installed. {failure_message(code, lines)}")
