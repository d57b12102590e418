"""The guard of one process: starts it, and ends all its descendants when the server ends.

A separate program: ``python -I -S guard.py SERVER_PID PROGRAM ARGUMENT...``, with a pipe from the server as its
standard input. ``T`` sends SIGTERM to the process group. ``K``, or the end of the pipe (the server stopped or was
killed), sends SIGKILL to the process and all its descendants. When the process ends, the guard ends its descendants,
and then itself in the same way: with its exit code or by its signal.

It starts with every run, so it imports only what a bare interpreter has, and nothing of this package.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

TERMINATE = b"T"
KILL = b"K"

NOT_STARTED = 127
"""Exit code if the program cannot be started, as in shells."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
KILL_DEADLINE_SECONDS = 10.0
"""How long the guard tries to end all descendants."""

_CHECK_SECONDS = 1.0


def main(server_pid: int, argv: list[str]) -> None:
    """Run a program, and end as it ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake_reader = _wake_on_child_end()
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        _become(argv, guard)
    status = None
    while status is None:
        readable, _, _ = select.select([0, wake_reader], [], [], _CHECK_SECONDS)
        if wake_reader in readable:
            os.read(wake_reader, 4096)
        commands = os.read(0, 64) if 0 in readable else b""
        server_gone = (0 in readable and not commands) or os.getppid() != server_pid
        if TERMINATE in commands:
            _terminate(child)
        status = _end_all(child, None) if server_gone or KILL in commands else _reap(child)[0]
    _end_all(child, status)
    _end_like(status)


def _prctl(option: int, value: int) -> None:
    """Call prctl of Linux. Elsewhere descendants that leave the process group are not found."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wake_on_child_end() -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _become(argv: list[str], guard: int) -> None:
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            # It was killed before this process requested the signal, which will therefore never come.
            os._exit(NOT_STARTED)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.execvp(argv[0], argv)  # noqa: S606 - starting a program without a shell is the purpose
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(NOT_STARTED)


def _reap(child: int) -> tuple[int | None, bool]:
    """Collect ended processes. Returns the child's wait status if it is among them, and whether any process is left."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, ended = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return status, True
            if pid == child:
                status = ended
    return status, False


def _end_all(child: int, status: int | None) -> int:
    """Kill all descendants until none is left. Returns the child's wait status."""
    deadline = time.monotonic() + KILL_DEADLINE_SECONDS
    while True:
        _signal_group(child, signal.SIGKILL)
        ended, is_any_left = _reap(child)
        status = ended if status is None else status
        # Reading all of /proc at the end of each of hundreds of runs would slow down the machine.
        if not is_any_left or time.monotonic() > deadline:
            return signal.SIGKILL if status is None else status
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _terminate(child: int) -> None:
    """Send SIGTERM to a child that was not collected yet, and to its group."""
    try:
        os.killpg(child, signal.SIGTERM)
    except ProcessLookupError:
        # It was forked just now, and has no group of its own yet.
        os.kill(child, signal.SIGTERM)
    except PermissionError:
        pass


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def descendants(ancestor: int) -> set[int]:
    """Return all descendants of a process; none on systems without /proc."""
    parents = dict(_parents())
    below = {ancestor}
    while found := {pid for pid, parent in parents.items() if parent in below and pid not in below}:
        below |= found
    return below - {ancestor}


def _parents() -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        yield int(name), int(fields[1])


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        import resource

        # The process has written the core dump, if there is one.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
