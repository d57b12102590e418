"""Resuming the log of an earlier trigger of the same try, after its triggerer died or was stopped.

Each triggerer writes its own file. Airflow's log reader merges the files it finds by millisecond, then by line number,
and drops a record that equals the previous one. So the trigger that takes over reads the run's log again from its
beginning, and writes each line of it at the place that it has in the earlier file. If the reader finds both files,
equal records are adjacent and each is shown once. If it finds only one, no line of the run is missing.

Forwarding the log again is not enough, on any Airflow from 2.11 to 3.4: what a trigger writes of its own differs from
one trigger to the next, so its lines have other numbers. Of the lines that share a millisecond, as those of a burst do,
the reader then shows some twice, and in another order.

A line finds its place by reading the earlier file along with the run's log, a slice at a time. What the earlier trigger
wrote between two lines is copied, except for as many records as this trigger has written of its own meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_wherobots.compat import conf
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.task_log.entries import (
    Entry,
    entry_of,
    is_line,
    read_entries,
    record_writer,
    room_in,
    write_entry,
)

if TYPE_CHECKING:
    from jinja2 import Template

T = TypeVar("T")

SLICE_BYTES = 16_384
"""How much of the earlier file is read at once."""
AHEAD = 100
"""A line is looked for among at least so many of the next records: more than are written between two waits for room."""
COPIED_AT_ONCE = 20
"""How many records are copied after each wait for room."""
READ_SECONDS = 30.0
"""How long reading a slice may take, with the wait for those of other triggers. Then this one goes on without it."""
READER = ThreadPoolExecutor(1, "log-of-earlier-trigger")
"""A thread of its own: a kill needs one of the event loop's, and must not wait for a slow disk."""
READS_CONNECTION = "Retrieving connection"
MASK = "***"
"""Airflow's replacement of a secret."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Held while a trigger reads a slice, so that the event loop parses one at a time."""


class ResumedLog:
    """The task log of a trigger: its messages and the run's lines. After :meth:`begin` it continues where an earlier
    trigger of this try stopped.
    """

    def __init__(self, logger: Any, task_instance: Any = None) -> None:
        self._logger = logger
        self._write = record_writer(logger)
        self._wait_for_room = room_in(logger)
        self._task_instance = task_instance
        # The earlier trigger's file; None if there is none, or it was read to its end.
        self._path: Path | None = None
        self._is_own = False
        self._offset = self._end = 0
        # Records of the earlier trigger that were read and not reached yet, and those that were copied before the run's
        # log was read as far.
        self._next: list[Entry] = []
        self._copied: list[Entry] = []
        # How many messages this trigger has written, less those of the earlier one that it has left out for them.
        self._messages = 0

    async def begin(self, first: str) -> None:
        """Write this trigger's first record, whose text is the same for every trigger of this try. The records that an
        earlier trigger wrote after its own are copied here if they are few, and else by and by.
        """
        await self._read(partial(self._find, first))
        if self._wait_for_room is not None:
            await self._wait_for_room()
        self._logger.info(first)
        await self.room()

    async def room(self) -> None:
        """Wait until a message, or some lines, can be written without blocking."""
        if self._path is not None and len(self._next) < AHEAD:
            await self._read(partial(self._read_slice, self._path))
        if self._wait_for_room is not None:
            await self._wait_for_room()
        # What is left is less than a slice and the records ahead.
        while self._path is None and self._next:
            self._copy(self._take(COPIED_AT_ONCE))
            if self._wait_for_room is not None:
                await self._wait_for_room()

    def note(self, level: int, text: str) -> None:
        """Write a message of this trigger."""
        self._messages += bool(self._next)
        self._logger.log(level, text)

    def write(self, record: LogRecord) -> None:
        """Write a line of the run's log, unless it was copied from the earlier trigger."""
        if self._next or self._copied:
            entry = entry_of(record)
            if (place := _place(entry, self._copied)) is not None:
                del self._copied[place]
                return
            if (place := _place(entry, self._next)) is not None:
                self._copy(self._take(place))
                del self._next[0]
                if self._is_own:
                    return
        self._write(record)

    def _take(self, count: int) -> list[Entry]:
        """Take the next records off the list, but for the messages that this trigger's own stand for."""
        taken, self._next = self._next[:count], self._next[count:]
        while self._messages and taken and not is_line(taken[0]):
            del taken[0]
            self._messages -= 1
        return taken

    def _copy(self, entries: Sequence[Entry]) -> None:
        for entry in () if self._is_own else entries:
            try:
                write_entry(self._logger, entry)
            except Exception as error:
                self._logger.debug("A record of an earlier trigger cannot be written: %r", error)
        self._copied = [*self._copied, *entries][-4 * AHEAD :]

    async def _read(self, work: Callable[[], Awaitable[list[Entry]]]) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS), _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                self._next += await work()
        except Exception as error:
            self._path = None
            self._logger.debug("The log of an earlier trigger cannot be read: %r", error)

    async def _find(self, first: str) -> list[Entry]:
        """Find the file of an earlier trigger, this one's own or the largest, and read its records after the first one.

        Airflow 2.11 appends to a file when a trigger returns to a triggerer; 3.x truncates it.
        """
        own_end = _own_log_end(self._task_instance)

        def is_own(path: Path) -> bool:
            return own_end is not None and path.name.endswith(own_end)

        sizes = await _in_thread(_trigger_logs, self._task_instance)
        for path in sorted(sizes, key=lambda path: (is_own(path), sizes[path]), reverse=True):
            self._path, self._offset, self._end = path, 0, sizes[path]
            entries = await self._read_slice(path)
            texts = [entry.text for entry in entries]
            if first in texts[:-1]:
                self._is_own = is_own(path)
                place = texts.index(first) + 1
                # Airflow 2.11 writes this for each trigger, so it is in this one's file too.
                return entries[place + texts[place].startswith(READS_CONNECTION) :]
        self._path = None
        return []

    async def _read_slice(self, path: Path) -> list[Entry]:
        lines = await _in_thread(_lines_of, path, self._offset, min(SLICE_BYTES, self._end - self._offset))
        self._offset += sum(map(len, lines))
        if self._offset >= self._end or not lines:
            self._path = None
        # Not in the thread: while it computes, each record that the event loop writes waits for Python's lock.
        return list(read_entries(line.decode("utf-8", "backslashreplace") for line in lines))


async def _in_thread(work: Callable[..., T], *given: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(READER, work, *given)


def _lines_of(path: Path, offset: int, size: int) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        return file.readlines(size)


def _place(entry: Entry, among: Sequence[Entry]) -> int | None:
    """The place of the record that is a line's, perhaps with a masked secret."""
    for place, (time_us, _, text, _) in enumerate(among):
        if time_us == entry.time_us and (text == entry.text or could_be(entry.text, text)):
            return place
    return None


def could_be(text: str, masked: str) -> bool:
    """Whether masking the secrets of a text could give a masked text."""
    start, *others = masked.split(MASK)
    if not others or not text.startswith(start):
        return False
    *middle, end = others
    place = len(start)
    for part in middle:
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return text.endswith(end) and place <= len(text) - len(end)


def _own_log_end(task_instance: Any) -> str | None:
    """The end of the name of this trigger's own file; None on 3.x, where it is unknown."""
    job = getattr(task_instance, "triggerer_job", None)
    return None if job is None else f".trigger.{job.id}.log"


def _trigger_logs(task_instance: Any) -> dict[Path, int]:
    """The log files of this try's triggers on this machine, with their sizes."""
    folder, template = Path(conf.get("logging", "base_log_folder")), conf.get("logging", "log_filename_template")
    path = folder / _compiled(template).render(ti=task_instance, try_number=task_instance.try_number)
    return {found: found.stat().st_size for found in sorted(path.parent.glob(f"{path.name}.trigger.*.log"))}


@lru_cache(maxsize=1)
def _compiled(template: str) -> Template:
    # Once in a triggerer's process: it takes longer than all else when a trigger starts.
    import jinja2

    compiled: Template = jinja2.Template(template)
    return compiled
