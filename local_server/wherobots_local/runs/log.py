"""The log of one run: lines in files, sorted by timestamp, within limits."""

from __future__ import annotations

import bisect
import contextlib
import math
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

from wherobots_local.runs.store_file import StoreFile

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


TEXT_FILE = "log.txt"
INDEX_FILE = "log.index"

_RECORD = struct.Struct("<qQQQIId?")
_RECORDS_READ = 64
_TEXT_READ = 64 * 1024


class Block(NamedTuple):
    """Lines that follow each other in the text.

    ``timestamp`` and ``number`` (in the order of arrival) belong to the first line, and ``first`` is its position in
    the order of time. ``read_at`` is the ``time.monotonic()`` of the read; minus infinity is visible at once. A
    ``whole`` block is one line, which can contain line ends.
    """

    timestamp: int
    number: int
    first: int
    offset: int
    size: int
    lines: int
    read_at: float
    whole: bool


class StoredLine(NamedTuple):
    """One line of a block. Its text is read from the file when it is needed."""

    timestamp: int
    number: int
    read_at: float
    block: Block
    lines: LogLines

    @property
    def raw(self) -> str:
        """The text, with U+FFFD for bytes that are not UTF-8."""
        return self.lines.text_of(self).decode("utf-8", "surrogatepass" if self.block.whole else "replace")

    @property
    def size(self) -> int:
        return len(self.lines.text_of(self))

    def head(self, longest: int) -> str:
        return self.lines.text_of(self)[:longest].decode("utf-8", "replace")


class LogBlocks:
    """The files of one log; without a folder in memory, for tests. Writes must not overlap. A read during an append
    sees the log before it."""

    def __init__(self, folder: Path | None) -> None:
        # The index first: another thread may append now, the text before its record. So each record has its text.
        self._index = StoreFile(folder and folder / INDEX_FILE)
        self._text = StoreFile(folder and folder / TEXT_FILE)
        self.extent = (0, 0)
        """The numbers of blocks and lines: one value, because a thread can read it while another writes."""
        self.end = 0
        """Timestamp of the last line; 0 for an empty log."""
        self.restored = False
        """Whether an earlier server wrote the log."""
        self._read_back()

    @property
    def size(self) -> int:
        return self._text.size + self._index.size

    def hold(self) -> None:
        self._text.hold()
        self._index.hold()

    def release(self) -> None:
        self._text.release()
        self._index.release()

    def add(self, timestamp: int, text: bytes, count: int, read_at: float) -> None:
        """Insert lines at the place of their times, after lines of the same time."""
        block = Block(timestamp, self.extent[1], 0, self._text.size, len(text), count, read_at, False)
        self._text.write(block.offset, text)
        self._place([block])

    def insert(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Insert single lines at the places of their times, after lines of the same time. They are visible at once."""
        offset, blocks = self._text.size, []
        for number, (timestamp, text) in enumerate(lines, self.extent[1]):
            blocks.append(Block(timestamp, number, 0, offset, len(text), 1, -math.inf, True))
            offset += len(text)
        if blocks:
            self._text.write(self._text.size, b"".join(text for _, text in lines))
            self._place(sorted(blocks, key=lambda block: block.timestamp))

    def _place(self, new: Sequence[Block]) -> None:
        """Write the records of new blocks, sorted by time, and again those of all later lines."""
        start, first, later = self._later_than(new[0].timestamp)
        last = new[-1].timestamp + new[-1].lines - 1
        overlapping = [block for block in later if block.timestamp <= last]
        if overlapping:
            times = [time for block in new for time in range(block.timestamp, block.timestamp + block.lines)]
            # In this order, because lines of the same time stay in the order of arrival.
            pieces = (piece for block in (*overlapping, *new) for piece in self._divided(block, times))
            new = sorted(pieces, key=lambda piece: piece.timestamp)
        data, end = bytearray(), self.end
        for block in (*new, *later[len(overlapping) :]):
            data += _RECORD.pack(*block._replace(first=first))
            first, end = first + block.lines, max(end, block.timestamp + block.lines - 1)
        self._index.write(start * _RECORD.size, bytes(data))
        self.extent, self.end = (start + len(data) // _RECORD.size, first), end

    def _later_than(self, timestamp: int) -> tuple[int, int, list[Block]]:
        """Return the number of the first block with later lines, the position of its first line, and all blocks from
        there."""
        blocks, length = self.extent
        if not length or self.end <= timestamp:
            return blocks, length, []
        lines = LogLines(self)
        number, found = lines.locate(bisect.bisect_right(lines, timestamp, key=lambda line: line.timestamp))
        return number, found.first, self.read_records(number, blocks - number)

    def _divided(self, block: Block, times: Sequence[int]) -> Iterator[Block]:
        """Divide a block into blocks of one line if lines of these sorted times belong between its lines."""
        place = bisect.bisect_left(times, block.timestamp)
        if place == len(times) or times[place] >= block.timestamp + block.lines - 1:
            yield block
            return
        offset = block.offset
        for index, text in enumerate(self.read_text(block.offset, block.size).split(b"\n")[:-1]):
            size = len(text) + 1
            yield block._replace(
                timestamp=block.timestamp + index, number=block.number + index, offset=offset, size=size, lines=1
            )
            offset += size

    def read_records(self, start: int, count: int) -> list[Block]:
        data = self._index.read(start * _RECORD.size, count * _RECORD.size)
        whole = len(data) - len(data) % _RECORD.size
        return [Block(*fields) for fields in _RECORD.iter_unpack(data[:whole])]

    def read_text(self, offset: int, size: int) -> bytes:
        return self._text.read(offset, size)

    def _read_back(self) -> None:
        """Read the index of an earlier server. An incomplete record is ignored."""
        count = self._index.size // _RECORD.size
        if not count:
            return
        (last,) = self.read_records(count - 1, 1)
        self.extent = (count, last.first + last.lines)
        self.end = last.timestamp + last.lines - 1
        self.restored = True


class LogLines(Sequence[StoredLine]):
    """The lines of a log at one moment, sorted by timestamp and then by arrival. It keeps at most one block of text in
    memory. Use it once: later lines are not in it."""

    def __init__(self, blocks: LogBlocks) -> None:
        self._blocks = blocks
        self._count, self._length = blocks.extent
        self._records: tuple[int, list[Block]] = (0, [])
        self._current: tuple[int, Block] | None = None
        self._window: tuple[int, bytes] = (0, b"")
        self._texts: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> StoredLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredLine]: ...
    def __getitem__(self, index: int | slice) -> StoredLine | Sequence[StoredLine]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(index)
        _, block = self.locate(position)
        within = position - block.first
        read_at = -math.inf if self._blocks.restored else block.read_at
        return StoredLine(block.timestamp + within, block.number + within, read_at, block, self)

    def locate(self, position: int) -> tuple[int, Block]:
        """Return the block of a position, as its number in the index and its record."""
        if self._current is not None:
            number, block = self._current
            if position == block.first + block.lines and number + 1 < self._count:
                number, block = self._current = number + 1, self._record(number + 1)
            if block.first <= position < block.first + block.lines:
                return number, block
        number = bisect.bisect_right(range(self._count), position, key=lambda index: self._record(index).first) - 1
        self._current = number, self._record(number)
        return self._current

    def text_of(self, line: StoredLine) -> bytes:
        """Return the text of a line, without its line end."""
        block = line.block
        if self._texts[0] != block.offset:
            self._texts = block.offset, list(self._split_text(block))
        return self._texts[1][line.number - block.number]

    def _split_text(self, block: Block) -> Iterable[bytes]:
        start, data = self._window
        if not (start <= block.offset and block.offset + block.size <= start + len(data)):
            start, data = self._window = (
                block.offset,
                self._blocks.read_text(block.offset, max(block.size, _TEXT_READ)),
            )
        text = data[block.offset - start :][: block.size]
        if block.whole:
            return [text[:-1]]
        return (line.removesuffix(b"\r") for line in text.split(b"\n"))

    def _record(self, number: int) -> Block:
        start, records = self._records
        if not start <= number < start + len(records):
            start, records = self._records = number, self._blocks.read_records(number, _RECORDS_READ)
        return records[number - start]
