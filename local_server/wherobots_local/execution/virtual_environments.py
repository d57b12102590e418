"""Virtual environments for the PYPI dependencies of runs: one per set, built once, kept under the server's root."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import site
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wherobots_local.execution.failures import failure_message
from wherobots_local.execution.process import GuardedProcess, OnOutput, StartError

_BASE_PACKAGES = "zz_wherobots_local_base.pth"
_LAST_BLOCKS = 50

COMPLETE = ".complete"
"""This file is written last, and touched at each use. It contains the day for which the environment was made, or
nothing for any day. An environment without it is built again."""

_EXACT_VERSION = re.compile(r"[^=<>!~]*===?[^*,]+")


def environment_key(requirements: Sequence[str], day: str = "") -> str:
    """Name an environment by a hash of interpreter, machine, requirements and day."""
    parts = [sys.version, sys.prefix, platform.machine(), sorted(set(requirements)), *([day] if day else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def day_of(requirements: Sequence[str], now: datetime) -> str:
    """Return the UTC day for which a set is installed; empty, for any day, if all versions are exact."""
    exact = all(_EXACT_VERSION.fullmatch(requirement) for requirement in requirements)
    return "" if exact else now.astimezone(UTC).date().isoformat()


class PrepareError(Exception):
    """The dependencies of a run could not be prepared."""


class EnvironmentCache:
    """Belongs to one event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changing: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: Counter[Path] = Counter()

    @contextlib.asynccontextmanager
    async def python_for(
        self, requirements: Sequence[str], *, environment: Mapping[str, str], on_output: OnOutput
    ) -> AsyncIterator[Path]:
        """Provide an interpreter with the requirements, installed first if necessary, until the end of the block.
        Without requirements it is the server's own interpreter. Raises ``PrepareError`` with pip's own error."""
        if not requirements:
            yield Path(sys.executable)
            return
        wanted = sorted(set(requirements))
        self._folder.mkdir(parents=True, exist_ok=True)
        day = day_of(wanted, datetime.now(UTC))
        folder = self._folder / environment_key(wanted, day)
        async with self._changing[folder]:
            if (folder / COMPLETE).exists():
                os.utime(folder / COMPLETE)
                await on_output(f"Reusing the environment with {', '.join(wanted)}\n".encode())
            else:
                await self._build(folder, wanted, day, environment, on_output)
            self._users[folder] += 1
        try:
            yield folder / "bin" / "python"
        finally:
            self._users[folder] -= 1

    async def remove_unused(self, unused_seconds: float) -> None:
        """Remove environments of an earlier day, incomplete ones and those unused for long, unless a run uses them."""
        today = datetime.now(UTC).date().isoformat()
        for folder in list(self._folder.glob("*")):
            mark, lock = folder / COMPLETE, self._changing[folder]
            if lock.locked() or self._users[folder]:
                continue
            with contextlib.suppress(FileNotFoundError):
                is_of_today = mark.read_text(encoding="utf-8") in ("", today)
                if is_of_today and mark.stat().st_mtime >= time.time() - unused_seconds:
                    continue
            async with lock:
                await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _build(
        self, folder: Path, wanted: Sequence[str], day: str, environment: Mapping[str, str], on_output: OnOutput
    ) -> None:
        await on_output(f"Installing {', '.join(wanted)}\n".encode())
        await _to_its_end(shutil.rmtree, folder, True)
        for argv in _build_commands(folder, folder / "bin" / "python", wanted):
            await _execute(argv, environment, self._folder, on_output)
        await _to_its_end(_finish, folder, day)


async def _to_its_end(change: Callable[..., object], *arguments: object) -> None:
    """Change an environment in a thread. A cancelled run waits for its end, because the lock must not end before."""
    thread = asyncio.ensure_future(asyncio.to_thread(change, *arguments))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        raise


def _build_commands(folder: Path, python: Path, wanted: Sequence[str]) -> list[list[str]]:
    """Return the commands that make an environment. They use the server's own pip if it has one: installing pip into
    each environment takes longer than most packages."""
    venv = [sys.executable, "-m", "venv", str(folder)]
    install = ["install", "--progress-bar", "off", "--", *wanted]
    if importlib.util.find_spec("pip") is None:
        return [venv, [str(python), "-m", "pip", *install]]
    return [[*venv, "--without-pip"], [sys.executable, "-m", "pip", "--python", str(python), *install]]


def _finish(folder: Path, day: str) -> None:
    """Make the server's packages, such as PySpark, importable after the run's. Mark the environment as complete."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    own = [path for path in (*user, *site.getsitepackages()) if os.path.isdir(path)]
    for packages in folder.glob("lib*/python*/site-packages"):
        lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in own)
        (packages / _BASE_PACKAGES).write_text(lines, encoding="utf-8")
    (folder / COMPLETE).write_text(day, encoding="utf-8")


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
