"""Prints one line when a run starts and one when it ends."""

from __future__ import annotations

import queue
import threading

from wherobots_local.api.errors import COMPLETED, RUNNING
from wherobots_local.runs.run import LocalRun
from wherobots_local.terminal import Terminal, escaped

_LONGEST_MESSAGE = 2000
_STOP_SECONDS = 2.0


class RunReport:
    """Prints in a thread, so that a slow or stopped terminal does not block the server."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._active: dict[str, bool] = {}
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print_all, name="wherobots-local-report", daemon=True)

    def changed(self, run: LocalRun) -> None:
        """Queue the line of a run that has started or ended."""
        if run.ended:
            if self._active.pop(run.id, None) is not None:
                self.show(_end_of(run))
        elif run.status == RUNNING and not self._active.get(run.id):
            self._active[run.id] = True
            self.show(_start_of(run))
        else:
            self._active.setdefault(run.id, False)

    def show(self, *lines: str) -> None:
        """Queue lines. Text from users must be :func:`~wherobots_local.terminal.escaped`."""
        self._lines.put("\n".join(lines))

    def __enter__(self) -> RunReport:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        # A stopped terminal does not keep the server from ending.
        self._thread.join(_STOP_SECONDS)

    def _print_all(self) -> None:
        while (line := self._lines.get()) is not None:
            self._terminal.print(line)


def _start_of(run: LocalRun) -> str:
    runtime = f", runtime {escaped(run.request.runtime)}" if run.request.runtime else ""
    started = run.started_at or run.updated_at
    return f'{started.astimezone():%H:%M:%S} run {run.id} started: "{escaped(run.request.name)}"{runtime}'


def _end_of(run: LocalRun) -> str:
    ended = run.completed_at or run.updated_at
    took = f"after {(ended - run.started_at).total_seconds():.1f} s" if run.started_at else "before it started"
    message = " ".join((run.app_message or "").split())[:_LONGEST_MESSAGE]
    reason = "" if run.status == COMPLETED or not message else f": {escaped(message)}"
    log = escaped(str(run.log.file)) if run.log.file else "in memory"
    return f"{ended.astimezone():%H:%M:%S} run {run.id} {escaped(run.status)} {took}{reason} | log: {log}"
