"""Going on with the log of an earlier trigger of the same attempt, after its triggerer died or was stopped.

Each triggerer writes a file of its own. Airflow's log reader merges those it finds by millisecond, then by line number,
and drops a record equal to the one before it. So a trigger that takes over first writes what the earlier one has
written, record by record and at the same place, and then what is new: where the reader finds both files, each record
stands next to its twin; where it finds one, nothing is missing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_wherobots.compat import conf
from airflow_provider_wherobots.flows.log_records import LogRecord
from airflow_provider_wherobots.task_log import Entry, entry_of, read_entries, write_entry

MAX_FILE_BYTES = 32 * 1024 * 1024
"""A larger log is not read back; all of it comes from the service again."""
SLICE_ENTRIES = 100


class EarlierLog:
    """Writes a run's log into the task log, going on where an earlier trigger of this attempt ended.

    :param logger: the trigger's ``log``.
    :param task_instance: what Airflow put on the trigger.
    """

    def __init__(self, logger: Any, task_instance: Any) -> None:
        self._logger = logger
        self._task_instance = task_instance
        self._known: Counter[int] = Counter()

    async def go_on(self, first: str) -> None:
        """Write a trigger's first record, and after it what an earlier trigger wrote after its own.

        :param first: the text of that record; the same for every trigger of this attempt.
        """
        earlier = await asyncio.to_thread(self._read, first)
        self._logger.info(first)
        for number, entry in enumerate(earlier):
            write_entry(self._logger, entry)
            self._known[entry.key] += 1
            if number % SLICE_ENTRIES == 0:
                await asyncio.sleep(0)

    def write(self, record: LogRecord) -> None:
        """Write a line of the run's log, unless the earlier trigger has.

        :param record: the line.
        """
        entry = entry_of(record)
        if self._known:
            left = self._known.get(entry.key, 0)
            if left == 1:
                del self._known[entry.key]
            elif left:
                self._known[entry.key] -= 1
            if left:
                return
        write_entry(self._logger, entry)

    def _read(self, first: str) -> Sequence[Entry]:
        """What the earlier trigger that wrote most wrote after its first record; nothing where there is no telling."""
        longest: Sequence[Entry] = ()
        try:
            for path in _trigger_logs(self._task_instance):
                if path.stat().st_size > MAX_FILE_BYTES:
                    return ()
                with path.open(encoding="utf-8", errors="surrogateescape") as file:
                    entries = read_entries(file)
                start = next((n for n, entry in enumerate(entries, start=1) if entry.text == first), None)
                if start is not None and len(entries) - start > len(longest):
                    longest = entries[start:]
        except Exception as error:
            self._logger.debug("The log of an earlier trigger cannot be read: %r", error)
            return ()
        return longest


def _trigger_logs(task_instance: Any) -> list[Path]:
    """The files of this attempt's triggers, where this machine has them."""
    import jinja2

    folder = Path(conf.get("logging", "base_log_folder"))
    template = jinja2.Template(conf.get("logging", "log_filename_template"))
    path = folder / template.render(ti=task_instance, try_number=task_instance.try_number)
    return sorted(path.parent.glob(f"{path.name}.trigger.*.log"))
