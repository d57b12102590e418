"""Prints runs in the terminal: one line at the start, one at the end and, if requested, the log between them."""

from __future__ import annotations

import bisect
import contextlib
import queue
import threading
from dataclasses import dataclass

from wherobots_local.api.vocabulary import COMPLETED, RUNNING
from wherobots_local.runs.log import RunLog
from wherobots_local.runs.run import LocalRun
from wherobots_local.terminal import Terminal, escaped

_LINES_AT_ONCE = 1000
_BYTES_AT_ONCE = 1024 * 1024
_LONGEST_LAG = 10_000
_LONGEST_LINE = 2000
_LONGEST_QUEUE = 10_000
_READ_SECONDS = 0.1
_STOP_SECONDS = 2.0


@dataclass
class _Event:
    """Lines to print, after the log of ``run``."""

    line: str
    run: LocalRun | None = None


@dataclass
class _Followed:
    """A run whose log is printed. ``seen`` is the time and number of the last printed line."""

    run: LocalRun
    seen: tuple[int, int] | None = None


class RunReport:
    """Prints runs in a thread, so that a slow terminal does not block the server. If runs write faster than the
    terminal prints, lines are left out, and a line shows how many."""

    def __init__(self, terminal: Terminal, *, logs: bool = False) -> None:
        self._terminal = terminal
        self._logs = logs
        self._active: dict[str, bool] = {}
        self._followed: dict[str, _Followed] = {}
        # Bounded: the terminal may be stopped for hours.
        self._events: queue.Queue[_Event | LocalRun | None] = queue.Queue(_LONGEST_QUEUE)
        self._left_out = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._print_all, name="wherobots-local-report", daemon=True)

    def changed(self, run: LocalRun) -> None:
        """Queue the lines of a run that was created or has changed."""
        if run.ended:
            if self._active.pop(run.id, None) is not None:
                self._put(_Event(_end_of(run), run))
            return
        started = self._active.setdefault(run.id, False)
        if run.status == RUNNING and not started:
            self._active[run.id] = True
            self._put(_Event(_start_of(run)))
        if self._logs and (run.status == RUNNING or run.app_status == "PREPARING"):
            self._put(run)

    def show(self, *lines: str) -> None:
        """Queue lines of the server itself. Text from users must be :func:`~wherobots_local.terminal.escaped`."""
        self._put(_Event("\n".join(lines)))

    def __enter__(self) -> RunReport:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        # Wakes the thread. With a full queue it is awake.
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        # A stopped terminal does not keep the server from ending.
        self._thread.join(_STOP_SECONDS)

    def _put(self, event: _Event | LocalRun) -> None:
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._left_out += 1

    def _print_all(self) -> None:
        while True:
            more = False
            for followed in self._followed.values():
                more |= self._show_lines(followed)
            waits = self._followed or self._stopping.is_set()
            try:
                event = self._events.get(timeout=0.001 if more else _READ_SECONDS if waits else None)
            except queue.Empty:
                event = None
            if event is not None:
                self._handle(event)
            elif self._stopping.is_set() and not more:
                return

    def _handle(self, event: _Event | LocalRun) -> None:
        if self._left_out:
            self._terminal.print(f"… {self._left_out} starts and ends of runs are left out here.")
            self._left_out = 0
            # The ends of these may be among them.
            self._followed = {key: value for key, value in self._followed.items() if not value.run.ended}
        if isinstance(event, LocalRun):
            # If it has ended, its lines come with its end, which may be among those left out.
            if not event.ended:
                self._followed.setdefault(event.id, _Followed(event))
            return
        if event.run is not None and self._logs:
            # Its log is complete, so this comes to an end.
            followed = self._followed.pop(event.run.id, None) or _Followed(event.run)
            while self._show_lines(followed):
                pass
        self._terminal.print(event.line)

    def _show_lines(self, followed: _Followed) -> bool:
        """Print some new lines of a log. Returns whether there are more."""
        run, texts = followed.run, []
        try:
            # Read through its own files: the server's thread closes the others when the run ends.
            lines = run.log.on_disk()
            start = 0 if followed.seen is None else bisect.bisect_right(lines, followed.seen, key=lambda line: line[:2])
            new = len(lines) - start
            if new > _LONGEST_LAG:
                start, left_out = len(lines) - _LINES_AT_ONCE, new - _LINES_AT_ONCE
                texts.append(f"… {left_out} lines are left out here. The whole log: {_log_file(run.log)}")
            size, position = 0, start
            while position < len(lines) and position - start < _LINES_AT_ONCE and size < _BYTES_AT_ONCE:
                line = lines[position]
                text = line.head(_LONGEST_LINE)
                size += line.size
                texts.append(escaped(text) + ("…" if line.size > _LONGEST_LINE else ""))
                followed.seen = line[:2]
                position += 1
        except (OSError, LookupError, ValueError):
            # The script may have removed its folder.
            return False
        if texts:
            self._terminal.print(*(f"{run.id} | {text}" for text in texts))
        return position < len(lines)


def _start_of(run: LocalRun) -> str:
    runtime = f", runtime {escaped(run.request.runtime)}" if run.request.runtime else ""
    started = run.started_at or run.updated_at
    return f'{started.astimezone():%H:%M:%S} run {run.id} started: "{escaped(run.request.name)}"{runtime}'


def _end_of(run: LocalRun) -> str:
    ended = run.completed_at or run.updated_at
    if run.started_at is None:
        took = "before it started"
    else:
        took = f"after {_duration((ended - run.started_at).total_seconds())}"
    reason = "" if run.status == COMPLETED or not run.app_message else f": {_one_line(run.app_message)}"
    when = f"{ended.astimezone():%H:%M:%S}"
    return f"{when} run {run.id} {escaped(run.status)} {took}{reason} | log: {_log_file(run.log)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def _one_line(message: str) -> str:
    text = " ".join(message.split())
    return escaped(text[:_LONGEST_LINE])


def _log_file(log: RunLog) -> str:
    return escaped(str(log.file)) if log.file else "in memory"
