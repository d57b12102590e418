"""The log of one run: lines in files, sorted by timestamp, within limits."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from wherobots_local.runs.log_blocks import TEXT_FILE, LogBlocks, LogLines, StoredLine

DEFAULT_MAX_BYTES = 256 * 1024 * 1024

_LONGEST_NOTE = 16 * 1024
_LONGEST_LINE_SHOWN = 4096


class RunLog:
    """The lines of a run, sorted by timestamp and then by arrival. Threads can append. Without a folder it is in
    memory, for tests. Beyond ``max_bytes`` on disk, with its index, a line reports that further lines are discarded."""

    def __init__(self, folder: Path | None = None, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._opened: LogBlocks | None = None
        self._latest = 0
        self._lost = ""
        self.full = False
        """Whether the limit is reached, so that further lines need not be appended."""

    @property
    def lines(self) -> Sequence[StoredLine]:
        return LogLines(self._blocks)

    @property
    def file(self) -> Path | None:
        """The text; None in memory. The file does not exist before the first line."""
        return self._folder and self._folder / TEXT_FILE

    def append(self, lines: bytes) -> None:
        """Add output of the run with the current time. The last line end can be missing."""
        text = lines if lines.endswith(b"\n") else lines + b"\n"
        with self._lock:
            if self.full:
                return
            fitting = self._fitting(text)
            if fitting:
                self._write(fitting)
            if fitting != text:
                self.full = True
                limit = f"{self._max_bytes} bytes"
                self.note(f"The log has reached the local server's limit of {limit}. Further lines are discarded.")

    def note(self, text: str) -> None:
        """Add a line of the server itself, even if the limit is reached. On a full disk it is lost."""
        line = text.encode("utf-8", "backslashreplace")[:_LONGEST_NOTE].replace(b"\n", b" ")
        with self._lock, contextlib.suppress(OSError):
            self._blocks.add(self._now(), line + b"\n", 1, time.monotonic())

    def insert(self, timestamp: int, raw: str) -> None:
        self.insert_all([(timestamp, raw)])

    def insert_all(self, lines: Sequence[tuple[int, str]]) -> None:
        """Insert lines at the places of their timestamps, visible at once."""
        with self._lock:
            self._blocks.insert([(moment, raw.encode("utf-8", "surrogatepass") + b"\n") for moment, raw in lines])

    def last_lines(self, count: int) -> list[str]:
        """Return the newest lines, oldest first, each cut to 4 KiB."""
        return [line.head(_LONGEST_LINE_SHOWN) for line in self.lines[-count:]]

    def hold(self) -> None:
        """Create the files and keep them open while the run writes, also if its script removes its folder."""
        with self._lock:
            self._blocks.hold()

    def release(self) -> None:
        with self._lock:
            self._blocks.release()

    @property
    def _blocks(self) -> LogBlocks:
        # Opened when it is first needed, so that a server that starts does not read the logs of all earlier runs.
        if self._opened is None:
            self._opened = LogBlocks(self._folder)
            self._latest = self._opened.end
        return self._opened

    def _now(self, count: int = 1) -> int:
        # The lines keep their order if the clock is set back, and no two lines that were read share a time.
        now = max(time.time_ns(), self._latest + 1)
        self._latest = now + count - 1
        return now

    def _fitting(self, text: bytes) -> bytes:
        """Cut lines at the limit."""
        room = max(self._max_bytes - self._blocks.size, 0)
        return text if len(text) <= room else text[: text.rfind(b"\n", 0, room) + 1]

    def _write(self, text: bytes) -> None:
        if self._lost:
            text = f"Lines are lost here: {self._lost}\n".encode() + text
        count = text.count(b"\n")
        try:
            self._blocks.add(self._now(count), text, count, time.monotonic())
            self._lost = ""
        except OSError as error:
            self._lost = error.strerror or str(error)
