"""Resuming the log of an earlier trigger of the same try, after its triggerer died or was stopped.

Each triggerer writes its own file. Airflow's log reader merges the files it finds by millisecond, then by line number,
and drops a record that equals the previous one. So a trigger that takes over first copies the earlier one's records, in
order and with their times, and then writes new ones. If the reader finds both files, equal records are adjacent and
each is shown once. If it finds only one, no record is missing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wherobots.compat import conf
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.task_log.entries import (
    Entry,
    entry_of,
    read_entries,
    record_writer,
    room_in,
    write_entry,
)

if TYPE_CHECKING:
    from jinja2 import Template

T = TypeVar("T")

MAX_FILE_BYTES = 32 * 1024 * 1024
"""A larger file is not read; the whole log is forwarded again."""
SLICE_ENTRIES = 100
READERS = ThreadPoolExecutor(2, "log-of-earlier-trigger")
"""Threads of their own: a kill needs one of the event loop's, and must not wait until many large files are read."""
MASK = "***"
"""Airflow's replacement of a secret."""


class ResumedLog:
    """Writes a run's log into the task log, and continues where an earlier trigger of this try stopped."""

    def __init__(self, logger: Any, task_instance: Any) -> None:
        self._logger = logger
        self._write = record_writer(logger)
        self._task_instance = task_instance
        self._known: Counter[int] = Counter()
        self._masked: dict[int | None, set[str]] = {}

    async def resume(self, first: str) -> None:
        """Write this trigger's first record, whose text is the same for every trigger of this try, and copy the records
        that an earlier trigger wrote after its own.
        """
        wait_for_room = room_in(self._logger)
        if wait_for_room is not None:
            await wait_for_room()
        self._logger.info(first)
        try:
            found = await _read(self._find, first)
            for entries, is_own in found:
                present = self._known.copy()
                while some := await _read(_slice, entries):
                    for entry in some:
                        if wait_for_room is not None:
                            await wait_for_room()
                        self._copy(entry, present, is_own)
        except Exception as error:
            # Records that were copied so far are not forwarded again; the rest is.
            self._logger.debug("The log of an earlier trigger cannot be read: %r", error)

    def write(self, record: LogRecord) -> None:
        """Write a line of the run's log, unless it was copied from the earlier trigger."""
        if self._known:
            entry = entry_of(record)
            if self._forget(entry) or self._forget_masked(entry):
                return
        self._write(record)

    def _copy(self, entry: Entry, present: Counter[int], is_own: bool) -> None:
        if present[entry.key] > 0:
            present[entry.key] -= 1
            return
        if not is_own:
            write_entry(self._logger, entry)
        self._known[entry.key] += 1
        if MASK in entry.text:
            self._masked.setdefault(entry.time_us, set()).add(entry.text)

    def _forget(self, entry: Entry) -> bool:
        if (left := self._known.get(entry.key, 0)) > 1:
            self._known[entry.key] = left - 1
        elif left:
            del self._known[entry.key]
        return left > 0

    def _forget_masked(self, entry: Entry) -> bool:
        """Forget a line in which Airflow has masked a secret."""
        return any(
            could_be(entry.text, text) and self._forget(entry._replace(text=text))
            for text in self._masked.get(entry.time_us, ())
        )

    def _find(self, first: str) -> list[tuple[Iterator[Entry], bool]]:
        """Find the records after the first one, in this trigger's own file and in the other file with the most of them.

        Returns the records of each file, and whether it is this trigger's own. Airflow 2.11 appends to a file when a
        trigger returns to a triggerer; 3.x truncates it.
        """
        own = _own_log_end(self._task_instance)
        found: list[tuple[Iterator[Entry], bool]] = []
        fullest, most = None, 0
        for path in _trigger_logs(self._task_instance):
            if path.stat().st_size > MAX_FILE_BYTES:
                return []
            count = sum(1 for _ in _entries_after(path, first))
            if own is not None and path.name.endswith(own):
                found.append((islice(_entries_after(path, first), count), True))
            elif count > most:
                fullest, most = path, count
        if fullest is not None:
            found.append((islice(_entries_after(fullest, first), most), False))
        return found


async def _read(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(READERS, work, *arguments)


def _slice(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, SLICE_ENTRIES))


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


def _entries_after(path: Path, first: str) -> Iterator[Entry]:
    with path.open(encoding="utf-8", errors="backslashreplace") as file:
        entries = read_entries(file)
        for entry in entries:
            if entry.text == first:
                yield from entries


def _own_log_end(task_instance: Any) -> str | None:
    """The end of the name of this trigger's own file; None on 3.x, where it is unknown."""
    job = getattr(task_instance, "triggerer_job", None)
    return None if job is None else f".trigger.{job.id}.log"


def _trigger_logs(task_instance: Any) -> list[Path]:
    """The log files of this try's triggers on this machine."""
    folder, template = Path(conf.get("logging", "base_log_folder")), conf.get("logging", "log_filename_template")
    path = folder / _compiled(template).render(ti=task_instance, try_number=task_instance.try_number)
    return sorted(path.parent.glob(f"{path.name}.trigger.*.log"))


@lru_cache(maxsize=1)
def _compiled(template: str) -> Template:
    # Once in a triggerer's process: it takes longer than all else when a trigger starts.
    import jinja2

    compiled: Template = jinja2.Template(template)
    return compiled
