"""Virtual environments for the PYPI dependencies of runs: one per set, built once, kept under the server's root."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import site
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from airflow_provider_wherobots.local.execution.failure import failure_message
from airflow_provider_wherobots.local.execution.process import GuardedProcess

COMPLETE = ".complete"
"""Written last; an environment without it is incomplete and is built again."""

_LOCK_POLL_SECONDS = 0.2
_BASE_PACKAGES = "zz_wherobots_local_base.pth"


class PrepareError(Exception):
    """The dependencies of a run could not be prepared."""


def environment_key(requirements: Sequence[str]) -> str:
    """Name the environment of a set of requirements.

    :param requirements: requirements as pip takes them, in any order.
    :returns: a hash of the interpreter, the machine and the set.
    """
    parts = [sys.version, sys.prefix, platform.machine(), sorted(set(requirements))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


class EnvironmentCache:
    """Creates virtual environments and reuses them.

    :param folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def python_for(
        self,
        requirements: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_line: Callable[[bytes], None],
    ) -> Path:
        """Return an interpreter with the requirements, and install them first if need be.

        :param requirements: requirements as pip takes them; with none it is the server's own interpreter.
        :param environment: environment variables for pip.
        :param on_line: called with each line that pip writes.
        :returns: path of the interpreter.
        :raises PrepareError: with pip's own error.
        """
        if not requirements:
            return Path(sys.executable)
        wanted = sorted(set(requirements))
        folder = self._folder / environment_key(wanted)
        python = folder / "bin" / "python"
        self._folder.mkdir(parents=True, exist_ok=True)
        async with _locked(folder.with_suffix(".lock")):
            if (folder / COMPLETE).exists():
                on_line(f"Reusing the environment with {', '.join(wanted)}".encode())
                return python
            on_line(f"Installing {', '.join(wanted)}".encode())
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            for argv in _build_commands(folder, python, wanted):
                await _execute(argv, environment, self._folder, on_line)
            await asyncio.to_thread(_finish, folder)
        return python


def _build_commands(folder: Path, python: Path, wanted: Sequence[str]) -> list[list[str]]:
    """Return the commands that make an environment. The server's own pip is used from outside if it has one:
    putting one into each environment would take longer than most installations."""
    venv = [sys.executable, "-m", "venv", str(folder)]
    install = ["install", "--progress-bar", "off", "--", *wanted]
    if importlib.util.find_spec("pip") is None:
        return [venv, [str(python), "-m", "pip", *install]]
    return [[*venv, "--without-pip"], [sys.executable, "-m", "pip", "--python", str(python), *install]]


def _finish(folder: Path) -> None:
    """Make the server's own packages (such as PySpark) importable after the run's; mark the environment as complete."""
    own = [path for path in site.getsitepackages() if os.path.isdir(path)]
    for packages in folder.glob("lib*/python*/site-packages"):
        lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in own)
        (packages / _BASE_PACKAGES).write_text(lines, encoding="utf-8")
    (folder / COMPLETE).touch()


async def _execute(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, on_line: Callable[[bytes], None]
) -> None:
    lines: list[str] = []

    def take(line: bytes) -> None:
        lines.append(line.decode("utf-8", errors="replace"))
        on_line(line)

    async with await GuardedProcess.start(argv, environment=environment, folder=folder, on_line=take) as process:
        code = await process.wait()
    if code != 0:
        raise PrepareError(f"The dependencies could not be installed. {failure_message(code, lines)}")


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold a lock that other servers on the same root respect. It ends with this process."""
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield
