"""Turning a line of the run's log into records of the task log: a time, a level and safe text.

A level is read from the beginning of a line, in the formats of log4j, logback and Python logging. A line of a stack
trace has the level of the line before it, or is an error if that has none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from airflow_provider_wherobots.api.runs.models import Line, parse_time
from airflow_provider_wherobots.words import COLOUR, MAX_ESCAPE_CHARS, break_groups, make_safe

MAX_RECORD_CHARS = 10_000
"""A longer line is split into records of this length: Airflow loses very large ones (apache/airflow #66158)."""
_HEAD_CHARS = 120
_LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "SEVERE": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "CRITICAL": logging.CRITICAL,
}
_LEVEL = re.compile(rf"(?<![\w.$/-])({'|'.join(sorted(_LEVELS, key=len, reverse=True))})(?![\w.$/-])")
_CLOCK = re.compile(r"\d\d:\d\d")
# The head of most lines: found faster than by a search, with the same result.
_USUAL_HEAD = re.compile(rf"[\d/-]*[ T]?\d\d:\d\d[\d:.,]* +({'|'.join(_LEVELS)})(?![\w.$/-])")
_BELONGS = re.compile(
    r"\s|Caused by: |Suppressed: |\.\.\. \d+ more"
    r"|During handling of the above exception|The above exception was the direct cause|\Z"
    # What py4j adds to a Python traceback.
    r"|: [\w$]+\.[\w.$]+|Driver stacktrace:"
)
_THROWN = re.compile(
    r"(?:  \+ Exception Group )?Traceback \(most recent call last\)"
    r"|(?:Exception in thread .*|[\w.$]*(?:Error|Exception)(?:: .*)?\Z)"
)


class LogRecord(NamedTuple):
    """A record for the task log. A named tuple, because a log has very many. Its text is safe to write as it is.
    ``repeats`` counts records of the same millisecond, level and text right before it: Airflow's log reader drops a
    record equal to the one before, so records that repeat must be written differently.
    """

    time_ns: int | None
    level: int
    text: str
    repeats: int = 0


_make_record: Callable[[tuple[int | None, int, str, int]], LogRecord] = partial(tuple.__new__, LogRecord)
"""Makes a record of its four values, faster than by its class."""


class RecordReader:
    """Reads lines in order, remembering only what the level of a stack trace and the count of equal lines need."""

    def __init__(self) -> None:
        self._level = logging.INFO
        self._in_traceback = False
        self._last: LogRecord | None = None

    def steps(self, lines: Iterable[Line]) -> Iterator[list[LogRecord]]:
        """Turn lines into records, step by step: a very long line takes many."""
        records: list[LogRecord] = []
        for line in lines:
            timestamp, raw = line
            # A printable text has neither a line break nor a control character.
            usual = len(raw) <= MAX_RECORD_CHARS and raw.isprintable() and "group" not in raw
            head = _USUAL_HEAD.match(raw, 0, _HEAD_CHARS) if usual else None
            if head is None:
                for record in self._read_in_steps(line):
                    records.append(record)
                    if len(raw) > MAX_RECORD_CHARS:
                        yield records
                        records = []
                continue
            level = self._level = _LEVELS[head[1]]
            self._in_traceback = False
            time_ns, last = read_time_ns(timestamp), self._last
            if last is not None and last.text == raw:
                record = self._record(time_ns, level, raw)
            else:
                record = self._last = _make_record((time_ns, level, raw, 0))
            records.append(record)
        yield records

    def _read_in_steps(self, line: Line) -> Iterator[LogRecord]:
        timestamp, raw = line
        time_ns = read_time_ns(timestamp)
        for text in split_lines(raw):
            level = self._level_of(text)
            for safe in _safe_pieces(text):
                yield self._record(time_ns, level, safe)

    def _record(self, time_ns: int | None, level: int, text: str) -> LogRecord:
        last, repeats = self._last, 0
        # The text first: it almost always differs.
        if last is not None and last.text == text and last.level == level and _ms(last.time_ns) == _ms(time_ns):
            repeats = last.repeats + 1
        self._last = record = LogRecord(time_ns, level, text, repeats)
        return record

    def _level_of(self, text: str) -> int:
        head = text[:_HEAD_CHARS]
        if "\x1b" in head:
            head = COLOUR.sub("", head)
        own = find_level(head)
        if own is not None:
            self._level, self._in_traceback = own, False
        elif _THROWN.match(head):
            if self._level <= logging.INFO:
                self._level = logging.ERROR
            self._in_traceback = head.startswith("Traceback")
        elif _BELONGS.match(head):
            if head.startswith("Caused by: ") and self._level <= logging.INFO:
                self._level = logging.ERROR
        elif self._in_traceback:
            # The line that names the exception closes a Python traceback, whatever the exception is called.
            self._in_traceback = False
        else:
            self._level = logging.INFO
        return self._level


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // 10**6


def find_level(head: str) -> int | None:
    """The level that a logging framework wrote into a line; None if the word is absent or part of a sentence."""
    found = _LEVEL.search(head)
    if found is None:
        return None
    before = head[: found.start()]
    if before.strip(" \t[(<|") and not _CLOCK.search(before):
        return None
    return _LEVELS[found[1]]


def read_time_ns(timestamp: str | int) -> int | None:
    """Read a line's time: ISO 8601, or digits, whose unit is not documented and is inferred from the magnitude (epoch
    seconds to nanoseconds). None if unreadable.
    """
    try:
        value = int(timestamp)
        if 10**17 <= value < 10**20:
            return value
    except ValueError:
        moment = parse_time(timestamp)
        since_epoch = 0 if moment is None else int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
        return since_epoch if since_epoch > 0 else None
    for digits, factor in ((11, 10**9), (14, 10**6), (17, 10**3), (20, 1)):
        if 0 < value < 10**digits:
            return value * factor
    return None


def split_lines(raw: str) -> Iterator[str]:
    """Split a line at its line breaks, one after the other; a trailing one is dropped."""
    start, end = 0, raw.find("\n")
    if end < 0:
        yield raw
        return
    while end >= 0:
        yield raw[start:end].removesuffix("\r")
        start = end + 1
        end = raw.find("\n", start)
    if start < len(raw):
        yield raw[start:].removesuffix("\r")


def _safe_pieces(text: str) -> Iterable[str]:
    """``make_safe(text)`` in pieces of ``MAX_RECORD_CHARS``, each made when it is asked for."""
    return (make_safe(text),) if len(text) <= MAX_RECORD_CHARS // MAX_ESCAPE_CHARS else _long_safe_pieces(text)


def _long_safe_pieces(text: str) -> Iterator[str]:
    safe, start = "", 0
    while start < len(text):
        end = start + MAX_RECORD_CHARS
        # A colour that is cut in two is none.
        if (escape := text.rfind("\x1b", start, end)) >= 0 and (colour := COLOUR.match(text, escape)):
            end = max(end, colour.end())
        safe += make_safe(text[start:end])
        start = end
        while len(safe) > MAX_RECORD_CHARS:
            # Two parts may have become a group marker again.
            yield break_groups(safe[:MAX_RECORD_CHARS])
            safe = safe[MAX_RECORD_CHARS:]
    yield break_groups(safe)
