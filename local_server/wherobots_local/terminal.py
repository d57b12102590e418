"""Output of the command line: a line when a run starts and one when it ends. No line can change the terminal, and the
output may be closed or full."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import unicodedata
from typing import TextIO

from wherobots_local.api.errors import COMPLETED, RUNNING
from wherobots_local.runs.run import LocalRun

_LONGEST_MESSAGE = 2000
_STOP_SECONDS = 2.0
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def escaped(text: str) -> str:
    r"""Show control characters, and invisible or reordering ones, as escapes (``\x1b``)."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character == "\t" or unicodedata.category(character) not in _ESCAPED_CATEGORIES
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class EscapingFormatter(logging.Formatter):
    """Escapes log records: they can contain file names that scripts chose."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(escaped, super().format(record).split("\n")))


def print_lines(stream: TextIO | None, *lines: str) -> None:
    """Print lines without buffering, in which text from users must be :func:`escaped`. If the output is closed or its
    disk is full, they are lost. ``stream`` is None in a process without an output."""
    if stream is not None:
        data = "".join(f"{line}\n" for line in lines).encode(stream.encoding, "backslashreplace")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(stream.fileno(), data) :]


class RunReport:
    """Prints in a thread, so that a slow or stopped terminal does not block the server."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
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
        """Queue lines. Text from users must be :func:`escaped`."""
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
            print_lines(self._stream, line)


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
