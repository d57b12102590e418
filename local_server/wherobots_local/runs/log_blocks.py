"""The lines of a log in two files: the text, and an index of its blocks.

A block is whole lines that were read from the process at once. Its record in the index has its place in the text and
the time of its first line; each further line is a nanosecond later. Both files only grow, in the order of arrival; in
memory the blocks are in the order of time.
"""

from __future__ import annotations

import bisect
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import NamedTuple, overload

from wherobots_local.runs.store_file import StoreFile

TEXT_FILE = "log.txt"
INDEX_FILE = "log.index"

LATEST = 2**63 - 1
"""The latest timestamp that a record can have."""

_RECORD = struct.Struct("<qQQIId?")
_TEXT_READ = 64 * 1024


class Block(NamedTuple):
    """Lines that follow each other in the text.

    ``timestamp`` and ``number`` (in the order of arrival) belong to the first line. ``read_at`` is the
    ``time.monotonic()`` of the read; minus infinity is visible at once. A ``whole`` block is one line, which can
    contain line ends.
    """

    timestamp: int
    number: int
    offset: int
    size: int
    lines: int
    read_at: float
    whole: bool

    @property
    def last(self) -> int:
        """The timestamp of its last line."""
        return self.timestamp + self.lines - 1


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


class _State(NamedTuple):
    """The blocks, and the position of the first line of each, in the order of time. The lists may have grown since."""

    blocks: list[Block]
    starts: list[int]
    count: int
    lines: int


class LogBlocks:
    """The files of one log; without a folder in memory, for tests. Writes must not overlap. A read during an append
    sees the log before it."""

    def __init__(self, folder: Path | None) -> None:
        self._index = StoreFile(folder and folder / INDEX_FILE)
        self.text = StoreFile(folder and folder / TEXT_FILE)
        self.state = _State([], [], 0, 0)
        self.end = 0
        """Timestamp of the last line; 0 for an empty log."""
        self._read_back()

    @property
    def size(self) -> int:
        return self.text.size + self._index.size

    def hold(self) -> None:
        self.text.hold()
        self._index.hold()

    def release(self) -> None:
        self.text.release()
        self._index.release()

    def add(self, timestamp: int, text: bytes, count: int, read_at: float) -> None:
        """Insert lines at the place of their times, after lines of the same time."""
        block = Block(timestamp, self.state.lines, self.text.size, len(text), count, read_at, False)
        self._write([block], text)

    def insert(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Insert single lines at the places of their times, after lines of the same time. They are visible at once."""
        offset, blocks = self.text.size, []
        for number, (timestamp, text) in enumerate(lines, self.state.lines):
            blocks.append(Block(timestamp, number, offset, len(text), 1, -math.inf, True))
            offset += len(text)
        if blocks:
            self._write(blocks, b"".join(text for _, text in lines))

    def _write(self, new: Sequence[Block], text: bytes) -> None:
        self.text.append(text)
        self._index.append(b"".join(_RECORD.pack(*block) for block in new))
        self._place(new)

    def _place(self, new: Sequence[Block]) -> None:
        """Put blocks in the order of time. Lines of the same time stay in the order of arrival."""
        new = sorted(new, key=lambda block: block.timestamp)
        blocks, starts, count, lines = self.state
        if count and self.end > new[0].timestamp:
            first = bisect.bisect_right(blocks, new[0].timestamp, 0, count, key=lambda block: block.last)
            behind = bisect.bisect_right(blocks, new[-1].last, 0, count, key=lambda block: block.timestamp)
            overlapping = blocks[first:behind]
            times = [time for block in new for time in range(block.timestamp, block.last + 1)]
            pieces = [piece for block in (*overlapping, *new) for piece in self._divided(block, times)]
            pieces.sort(key=lambda piece: piece.timestamp)
            blocks = [*blocks[:first], *pieces, *blocks[behind:count]]
            *starts, lines = accumulate((block.lines for block in blocks), initial=0)
        else:
            for block in new:
                blocks.append(block)
                starts.append(lines)
                lines += block.lines
        self.state = _State(blocks, starts, len(blocks), lines)
        self.end = max(self.end, *(block.last for block in new))

    def _divided(self, block: Block, times: Sequence[int]) -> Iterator[Block]:
        """Divide a block into blocks of one line if lines of these sorted times belong between its lines."""
        place = bisect.bisect_left(times, block.timestamp)
        if place == len(times) or times[place] >= block.last:
            yield block
            return
        offset = block.offset
        for index, text in enumerate(self.text.read(block.offset, block.size).split(b"\n")[:-1]):
            size = len(text) + 1
            yield block._replace(
                timestamp=block.timestamp + index, number=block.number + index, offset=offset, size=size, lines=1
            )
            offset += size

    def _read_back(self) -> None:
        """Read the index of an earlier server. An incomplete record is overwritten."""
        self._index.size -= self._index.size % _RECORD.size
        if self._index.size:
            records = _RECORD.iter_unpack(self._index.read(0, self._index.size))
            blocks = (Block(*fields)._replace(read_at=-math.inf) for fields in records)
            for are_whole, some in groupby(blocks, key=lambda block: block.whole):
                for one in [list(some)] if are_whole else ([block] for block in some):
                    self._place(one)


class LogLines(Sequence[StoredLine]):
    """The lines of a log at one moment, sorted by timestamp and then by arrival. It keeps at most one block of text in
    memory. Use it once: later lines are not in it."""

    def __init__(self, blocks: LogBlocks) -> None:
        self._file = blocks.text
        self._state = blocks.state
        self._window: tuple[int, bytes] = (0, b"")
        self._texts: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._state.lines

    @overload
    def __getitem__(self, index: int) -> StoredLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredLine]: ...
    def __getitem__(self, index: int | slice) -> StoredLine | Sequence[StoredLine]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(index)
        block, within = self.locate(position)
        return StoredLine(block.timestamp + within, block.number + within, block.read_at, block, self)

    def locate(self, position: int) -> tuple[Block, int]:
        """Return the block of a position, and which of its lines this is."""
        number = bisect.bisect_right(self._state.starts, position, 0, self._state.count) - 1
        return self._state.blocks[number], position - self._state.starts[number]

    def text_of(self, line: StoredLine) -> bytes:
        """Return the text of a line, without its line end."""
        block = line.block
        if self._texts[0] != block.offset:
            self._texts = block.offset, list(self._split_text(block))
        return self._texts[1][line.number - block.number]

    def _split_text(self, block: Block) -> Iterable[bytes]:
        start, data = self._window
        if not (start <= block.offset and block.offset + block.size <= start + len(data)):
            start, data = self._window = block.offset, self._file.read(block.offset, max(block.size, _TEXT_READ))
        text = data[block.offset - start :][: block.size]
        if block.whole:
            return [text[:-1]]
        return (line.removesuffix(b"\r") for line in text.split(b"\n"))
