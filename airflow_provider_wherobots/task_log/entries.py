"""Writing records with their own time to Airflow's task log, and reading them back from its file.

On 3.x a log file holds one JSON object per record, with times in microseconds; on 2.11 it holds lines of text, with
times in milliseconds. Source: Airflow's "Logging for Tasks", and ``log_format`` in its configuration reference.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, NamedTuple

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.task_log.log_socket import LogSocket, log_socket

_TEXT_RECORD = re.compile(r"\[([^\]]+)\] \{([^:}]*):(\d+)\} ([A-Z]+) - (.*)", re.DOTALL)
_LEVELS = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}
_METHODS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
"""The method of a logger for each level. Not the level's name: a DAG file or a plugin may have renamed that."""
_FILE = "wherobots"
"""The source file of records of a run's log, with line number 0."""


class Entry(NamedTuple):
    """A record of a log file. Without a time, its time is when it is written. On 2.11 ``fields`` has ``file`` and
    ``line`` of the code, on 3.x the record's other keys.
    """

    time_us: int | None
    level: int
    text: str
    fields: Mapping[str, Any] = {}

    @property
    def key(self) -> int:
        """A hash of its time and text."""
        return hash((self.time_us, self.text))


def record_writer(logger: Any) -> Callable[[LogRecord], None]:
    """Return a function that writes a line of the run's log with its own time. A DEBUG line becomes INFO if Airflow
    would drop it, as it does by default.
    """
    if not is_structured():
        shows_debug = logger.isEnabledFor(logging.DEBUG)
        return lambda record: write_entry(
            logger, entry_of(record if shows_debug else record._replace(level=max(record.level, logging.INFO)))
        )
    # The same as `write_entry`, with everything looked up once: a log may have a million lines.
    structured = _from_one_place(_structured(logger))
    methods: dict[int, Callable[..., Any]] = {}

    def write(record: LogRecord) -> None:
        time_ns, level, text, repeats = record
        if repeats:
            time_us, _, text, _ = entry_of(record)
        else:
            time_us = None if time_ns is None else time_ns // 1000
        log = methods.get(level)
        if log is None:
            is_dropped = level == logging.DEBUG and not structured.is_enabled_for(level)
            log = methods[level] = structured.info if is_dropped else getattr(structured, _METHODS[level])
        if time_us is None:
            log(text)
        else:
            log(text, timestamp=_iso(time_us))

    return write


def room_in(logger: Any) -> Callable[[], Awaitable[None]] | None:
    """Return a function that waits until records can be written without blocking the event loop. None if the logger
    does not write to a socket, as on 2.11, where a thread writes.
    """
    socket = _socket_of(logger)
    return None if socket is None else socket.wait_for_room


async def wait_until_read(logger: Any) -> None:
    """Wait until the triggerer's supervisor has read what was written, for ten seconds at most."""
    socket = _socket_of(logger)
    if socket is not None:
        await socket.wait_until_read()


def _socket_of(logger: Any) -> LogSocket | None:
    if not is_structured():
        return None
    try:
        # Private names of structlog. If they move, a busy supervisor blocks the event loop again.
        descriptor = _structured(logger).bind()._logger._file.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return log_socket(descriptor)


def entry_of(record: LogRecord) -> Entry:
    """Convert a line of the run's log to the entry that is written, and that is searched for when a log is resumed."""
    # A repeated record differs from the one before: by microseconds within its millisecond, else by a trailing space.
    spaced = f"{record.text} " if record.repeats % 2 else record.text
    if record.time_ns is None:
        return Entry(None, record.level, spaced)
    time_us = record.time_ns // 1000
    if not is_structured():
        # Times have only milliseconds on 2.11.
        return Entry(time_us // 1000 * 1000, record.level, spaced)
    if time_us % 1000 + record.repeats < 1000:
        return Entry(time_us + record.repeats, record.level, record.text)
    # In the next millisecond it would come after lines that follow it, or be equal to one. The one before has no space.
    return Entry(time_us, record.level, f"{spaced} ")


def is_line(entry: Entry) -> bool:
    """Whether a record that was read is a line of the run's log."""
    return entry.fields.get("filename" if is_structured() else "file") == _FILE


def write_entry(logger: Any, entry: Entry) -> None:
    if is_structured():
        fields = dict(entry.fields) if entry.time_us is None else {**entry.fields, "timestamp": _iso(entry.time_us)}
        line = entry.fields.get("lineno")
        log_from = _log_from(str(entry.fields.get("filename", _FILE)), line if isinstance(line, int) else 0)
        log_from(partial(_structured(logger).log, entry.level), entry.text, fields)
    elif entry.time_us is None:
        logger.log(entry.level, entry.text)
    elif logger.isEnabledFor(entry.level):
        file, line = entry.fields.get("file", _FILE), int(entry.fields.get("line", 0))
        made = logger.makeRecord(logger.name, entry.level, file, line, entry.text, (), None)
        made.created = entry.time_us / 1e6
        made.msecs = float(entry.time_us // 1000 % 1000)
        logger.handle(made)


def read_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read a log file, with one record in memory at a time. Anything that is not a record is skipped.

    A line without a line end was cut off by a crash; reading stops there.
    """
    last: Entry | None = None
    more: list[str] = []
    for raw in lines:
        if not raw.endswith("\n"):
            break
        line = raw.rstrip("\r\n")
        is_json = line.startswith("{")
        entry = _read_json(line) if is_json else _read_text(line)
        if entry is None:
            if not is_json:
                more.append(line)
            continue
        if last is not None:
            yield last._replace(text="\n".join((last.text, *more)))
        last, more = entry, []
    if last is not None:
        yield last._replace(text="\n".join((last.text, *more)))


def is_structured() -> bool:
    """Whether this Airflow logs through structlog, as 3.x does."""
    return AIRFLOW >= (3, 0)


def _read_json(line: str) -> Entry | None:
    try:
        fields = json.loads(line)
        moment, text = fields.pop("timestamp", None), fields.pop("event")
        level = _LEVELS.get(fields.pop("level", "info"), logging.INFO)
        if not isinstance(text, str):
            return None
        return Entry(None if moment is None else _time_us(moment), level, text, fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_text(line: str) -> Entry | None:
    found = _TEXT_RECORD.fullmatch(line)
    try:
        if found is None:
            return None
        moment, file, number, level, text = found.groups()
        return Entry(_time_us(moment), _LEVELS.get(level.lower(), logging.INFO), text, {"file": file, "line": number})
    except ValueError:
        return None


def _time_us(moment: str) -> int:
    parsed = datetime.fromisoformat(moment)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(aware.replace(microsecond=0).timestamp()) * 10**6 + aware.microsecond


@lru_cache(maxsize=64)
def _log_from(file: str, line: int) -> Callable[[Callable[..., Any], Any, Mapping[str, Any]], None]:
    """Make a function that logs as if from the given file and line, which 3.1 and later write into the record.

    To Airflow's log reader, records with another file or line are different records.
    """
    call = (lambda log, text, fields: log(text, **fields)).__code__
    return FunctionType(call.replace(co_filename=file, co_firstlineno=line), globals())


def _from_one_place(structured: Any) -> Any:
    """Make a logger whose records all have the same file and line, as :func:`_log_from` sets them.

    structlog would search the call stack for them, which takes a quarter of the time of writing a record. Here it does
    so once. The records are the same, and pass through all other processors.
    """
    from structlog import BoundLoggerBase
    from structlog.processors import CallsiteParameterAdder

    bound = structured.bind() if hasattr(structured, "bind") else structured
    if not isinstance(bound, BoundLoggerBase):
        return structured
    try:
        logger, processors, context = bound._logger, bound._processors, bound._context
    except AttributeError:
        # Private names, which may move. Then each record costs more, and is the same.
        return structured
    return type(bound)(
        logger,
        [_adder_of_place(one) if isinstance(one, CallsiteParameterAdder) else one for one in processors],
        context,
    )


def _adder_of_place(adder: Callable[..., Any]) -> Callable[[Any, str, MutableMapping[str, Any]], Mapping[str, Any]]:
    place: dict[str, Any] = {}
    _log_from(_FILE, 0)(partial(adder, None, "info"), place, {})

    def add_place(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
        fields.update(place)
        return fields

    return add_place


def _structured(logger: Any) -> Any:
    # On 3.0 a trigger's logger is a standard library logger.
    return _structlog_logger(logger.name) if isinstance(logger, logging.Logger) else logger


@lru_cache(maxsize=16)
def _structlog_logger(name: str) -> Any:
    import structlog

    return structlog.get_logger(name)


def _iso(time_us: int) -> str:
    seconds, rest = divmod(time_us, 10**6)
    return f"{_iso_second(seconds)}.{rest:06d}Z"


@lru_cache(maxsize=64)
def _iso_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
