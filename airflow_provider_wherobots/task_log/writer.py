"""Writing the lines of a run's log, with their own time and level, into Airflow's task log.

On 3.x Airflow logs through structlog, with times in microseconds; on 2.11 through ``logging``, with times in
milliseconds. Source: Airflow's "Logging for Tasks".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.task_log.log_socket import LogSocket, log_socket

_METHODS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
"""The method of a logger for each level. Not the level's name: a DAG file or a plugin may have renamed that."""
_FILE, _LINE = "wherobots", 0
"""Where records of a run's log come from, as Airflow shows it. If two triggers forward the same line, the records are
equal, also if the provider was upgraded in between.
"""


def record_writer(logger: Any) -> Callable[[LogRecord], None]:
    """Return a function that writes a line of the run's log with its own time. A DEBUG line becomes INFO if Airflow
    would drop it, as it does by default.
    """
    return _structlog_writer(logger) if is_structured() else _logging_writer(logger)


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


def is_structured() -> bool:
    """Whether this Airflow logs through structlog, as 3.x does."""
    return AIRFLOW >= (3, 0)


def _structlog_writer(logger: Any) -> Callable[[LogRecord], None]:
    # A log may have a million lines, so everything is looked up once.
    structured = _from_one_place(_structured(logger))
    methods: dict[int, Callable[..., Any]] = {}

    def write(record: LogRecord) -> None:
        time_ns, level, text = record
        log = methods.get(level)
        if log is None:
            is_dropped = level == logging.DEBUG and not structured.is_enabled_for(level)
            log = methods[level] = structured.info if is_dropped else getattr(structured, _METHODS[level])
        if time_ns is None:
            log(text)
        else:
            log(text, timestamp=_iso(time_ns // 1000))

    return write


def _logging_writer(logger: logging.Logger) -> Callable[[LogRecord], None]:
    shows_debug = logger.isEnabledFor(logging.DEBUG)
    last: tuple[int, str] | None = None

    def write(record: LogRecord) -> None:
        nonlocal last
        level = record.level if shows_debug else max(record.level, logging.INFO)
        if not logger.isEnabledFor(level):
            return
        moment_ms = (time.time_ns() if record.time_ns is None else record.time_ns) // 10**6
        # Airflow shows a record that equals the one before it only once.
        text = f"{record.text} " if last == (moment_ms, record.text) else record.text
        last = moment_ms, text
        made = logger.makeRecord(logger.name, level, _FILE, _LINE, text, (), None)
        made.created, made.msecs = moment_ms / 1e3, float(moment_ms % 1000)
        logger.handle(made)

    return write


def _socket_of(logger: Any) -> LogSocket | None:
    if not is_structured():
        return None
    try:
        # Private names of structlog. If they move, a busy supervisor blocks the event loop again.
        descriptor = _structured(logger).bind()._logger._file.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return log_socket(descriptor)


def _from_one_place(structured: Any) -> Any:
    """Make a logger whose records all name the same file and line.

    structlog would search the call stack for them, which takes a quarter of the time of writing a record.
    """
    from structlog import BoundLoggerBase
    from structlog.processors import CallsiteParameterAdder

    bound = structured.bind() if hasattr(structured, "bind") else structured
    if not isinstance(bound, BoundLoggerBase):
        return structured
    try:
        logger, processors, context = bound._logger, bound._processors, bound._context
    except AttributeError:
        # Private names, which may move. Then each record costs more, and names a place in this file.
        return structured
    return type(bound)(
        logger,
        [_adder_of_place(one) if isinstance(one, CallsiteParameterAdder) else one for one in processors],
        context,
    )


def _adder_of_place(adder: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
    place = dict(adder(None, "info", {}))
    place |= {key: value for key, value in (("filename", _FILE), ("lineno", _LINE)) if key in place}

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
