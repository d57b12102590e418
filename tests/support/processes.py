"""Families of processes: all descendants of a process can be found and ended.

Airflow's components fork, change their process group and survive their parents, so neither a pid nor a process
group is enough to find them. Every process of a family inherits the family's mark in its environment.
"""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from tests.support.places import TREE

MARK = "DEV_PROCESS_FAMILY"


def marked(mark: str) -> list[psutil.Process]:
    """Return this user's living processes whose environment contains ``mark``, except the calling one."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def end_marked(mark: str, *, grace: float, interval: float = 0.1) -> None:
    """Wait up to ``grace`` seconds for the marked processes to end, then SIGKILL what is left."""
    deadline = time.monotonic() + grace
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(interval)
    while left := marked(mark):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(interval)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def tree(pid: int) -> list[psutil.Process]:
    """Return the process ``pid`` and its descendants, parents first; empty if there is no such process."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def freeze(pid: int) -> list[psutil.Process]:
    """Stop (SIGSTOP) the process ``pid`` and its descendants, also ones that start during the call, and return them."""
    frozen: dict[int, psutil.Process] = {}
    while new := [process for process in tree(pid) if process.pid not in frozen]:
        for process in new:
            frozen[process.pid] = process
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
    return list(frozen.values())


def resume(stopped: Iterable[psutil.Process]) -> None:
    """Let processes go on that :func:`freeze` has stopped."""
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay SIGINT and SIGTERM to the end of the block, so that a second Ctrl-C does not interrupt a clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class ProcessFamily:
    """Starts processes with one mark and ends all of them.

    A guard process outside the family ends it when this process dies, even by SIGKILL.

    :param mark: unique to the family. :meth:`stop` also ends processes with the same mark that an earlier crash left.
    :param guarded: whether there is a guard. Default True; False in a process that adds to the family of another one.
    """

    def __init__(self, mark: str, *, guarded: bool = True) -> None:
        self.mark = mark
        self._guarded = guarded
        self._started: list[subprocess.Popen[bytes]] = []
        self._guard: subprocess.Popen[bytes] | None = None

    def spawn(
        self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, output: Path, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` in a new session; its output is appended to the file ``output``.

        :param user: the user that it runs as; only root can choose another one. Default None: the current one.
        """
        if self._guarded and self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "tests.support.guard", self.mark],
                cwd=TREE,
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as sink:
            process = subprocess.Popen(
                [str(part) for part in command],
                # setproctitle would overwrite the memory that holds the mark.
                env={**env, MARK: self.mark, "SPT_NOENV": "1"},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
            )
        self._started.append(process)
        return process

    def members(self) -> list[psutil.Process]:
        """Return all living processes of the family."""
        return marked(self.mark)

    def stop(self, *, grace: float = 5.0) -> None:
        """End all processes of the family, and the guard.

        :param grace: seconds between SIGTERM to the started processes and SIGKILL to all that are left. Default 5.
        """
        with uninterrupted():
            for process in self._started:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + grace
            for process in self._started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
            end_marked(self.mark, grace=max(0.0, deadline - time.monotonic()))
            for process in self._started:
                process.wait()
            self._started.clear()
            if self._guard is not None:
                self._guard.communicate()  # closes its standard input
                self._guard = None
