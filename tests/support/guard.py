"""``python -m tests.support.guard MARK``: ends a process family when the process that holds standard input ends."""

import contextlib
import signal
import sys

import psutil

from tests.support.processes import end_marked, marked


def main(mark: str) -> None:
    """Wait for the end of standard input, then end the family: SIGTERM, five seconds later SIGKILL."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for process in marked(mark):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    end_marked(mark, grace=5.0)


if __name__ == "__main__":
    main(sys.argv[1])
