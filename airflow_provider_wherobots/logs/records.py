"""From a line of the run's log to what the task log takes: a moment, a level and safe text.

Levels are read off a line's head, in the formats of log4j, logback and Python logging; a stack trace has the level of
the line it belongs to.

One that follows a warning is that warning's, if the program goes on; but it is an error, if it is what ended a failed
run. So it is held back until that is known: until the next line, the lines aside that may still be of its message and
those that Spark writes as it shuts down after a program's end.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from airflow_provider_wherobots.api.runs.models import LogLine, parse_time

MAX_RECORD_CHARS = 10_000
"""A longer line is split into records of this length: Airflow loses very large ones (apache/airflow #66158)."""

MAX_HELD_RECORDS = 200
"""A longer stack trace is not held back."""

_MESSAGE_GAP_NS = 10**7
"""Lines of one message follow each other within this time: they are written at once."""
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
_SHUTDOWN = re.compile(
    r"\b(?:stop(?:ped|ping)?|shut(?:ting)? ?down|closed|cleared|deleting directory)\b", re.IGNORECASE
)
"""What Spark says once a program has ended: SparkContext, ShutdownHookManager, BlockManager, MemoryStore and others."""
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in range(0x2070) if _UNSAFE.match(chr(code))
}
_LINE_BREAK = re.compile(r"\r?\n")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record for the task log.

    :param time_ns: the line's own time in epoch nanoseconds, or None where it has no readable one.
    :param level: a ``logging`` level.
    :param text: the text, safe to write as it is.
    :param repeats: how many records of the same millisecond, level and text come right before it. Airflow's log reader
        drops a record equal to the one before, so whoever writes them must tell them apart.
    """

    time_ns: int | None
    level: int
    text: str
    repeats: int = 0


class RecordReader:
    """Reads lines in order, remembering only what a stack trace needs."""

    def __init__(self) -> None:
        self._holds = False
        self._held: list[LogRecord] = []
        self._traceback = 0
        self._is_over = False
        self._level = logging.INFO
        self._in_traceback = False
        self._last: tuple[int | None, int, str] | None = None
        self._repeats = 0

    def read(self, line: LogLine) -> Iterator[LogRecord]:
        """Turn a line into records: one, unless it holds line breaks, is very long, or is held back or ends that.

        :param line: the line as received.
        """
        time_ns = read_time_ns(line.timestamp)
        for text in split_lines(line.raw):
            level = self._level_of(text)
            safe = make_safe(text)
            is_held = self._holds and self._holds_back(text, level, time_ns)
            if self._held and not self._holds:
                yield from self.release()
            for start in range(0, len(safe) or 1, MAX_RECORD_CHARS):
                record = self._record(time_ns, level, safe[start : start + MAX_RECORD_CHARS])
                if is_held:
                    self._held.append(record)
                else:
                    yield record
            if is_held and not self._is_over:
                self._traceback = len(self._held)

    @property
    def held_from(self) -> LogRecord | None:
        """The first record that is held back; None when none is."""
        return self._held[0] if self._held else None

    def release(self, *, failed: bool = False) -> list[LogRecord]:
        """Give out what is held back.

        :param failed: whether no more lines come and the run has failed: then a stack trace that is held is an error.
            Default False.
        :returns: the records, in order.
        """
        held, traceback = self._held, self._traceback
        self._held, self._holds, self._traceback, self._is_over = [], False, 0, False
        if failed:
            held[:traceback] = [replace(record, level=logging.ERROR) for record in held[:traceback]]
        return held

    def _holds_back(self, text: str, level: int, time_ns: int | None) -> bool:
        """Whether a line is held back with the stack trace before it, or is one to hold; ends the holding if not."""
        gap = None
        if self._held and time_ns is not None and (last := self._held[-1].time_ns) is not None:
            gap = time_ns - last
            if gap < 0:
                # Inserted late: it says nothing of what came after.
                return False
        head = _COLOUR.sub("", text[:_HEAD_CHARS])
        own = find_level(head)
        if len(self._held) >= MAX_HELD_RECORDS:
            self._holds = False
        elif own is not None:
            self._is_over = True
            self._holds = own <= logging.WARNING and _SHUTDOWN.search(text) is not None
        elif level != logging.WARNING:
            self._is_over = True
            self._holds = _BELONGS.match(head) is not None or (gap is not None and gap <= _MESSAGE_GAP_NS)
        return self._holds

    def _record(self, time_ns: int | None, level: int, text: str) -> LogRecord:
        this = (None if time_ns is None else time_ns // 10**6, level, text)
        self._repeats = self._repeats + 1 if this == self._last else 0
        self._last = this
        return LogRecord(time_ns, level, text, self._repeats)

    def _level_of(self, text: str) -> int:
        head = text[:_HEAD_CHARS]
        if "\x1b" in head:
            head = _COLOUR.sub("", head)
        own = find_level(head)
        if own is not None:
            self._level, self._in_traceback = own, False
        elif _THROWN.match(head):
            self._level = max(self._level, logging.WARNING) if self._level > logging.INFO else logging.ERROR
            self._holds = self._holds or self._level == logging.WARNING
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


def find_level(head: str) -> int | None:
    """Find the level a logging framework wrote into a line.

    :param head: the line's beginning, without colours.
    :returns: a ``logging`` level; None where the level's word is absent or only part of a sentence.
    """
    found = _LEVEL.search(head)
    if found is None:
        return None
    before = head[: found.start()]
    if before.strip(" \t[(<|") and not _CLOCK.search(before):
        return None
    return _LEVELS[found[1]]


def read_time_ns(timestamp: str | int) -> int | None:
    """Read a line's time. The unit is told by the magnitude: the service documents none.

    :param timestamp: digits (epoch seconds to nanoseconds) or ISO 8601.
    :returns: epoch nanoseconds, or None when unreadable.
    """
    try:
        value = int(timestamp)
    except ValueError:
        moment = parse_time(timestamp)
        since_epoch = 0 if moment is None else int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
        return since_epoch if since_epoch > 0 else None
    for digits, factor in ((11, 10**9), (14, 10**6), (17, 10**3), (20, 1)):
        if 0 < value < 10**digits:
            return value * factor
    return None


def split_lines(raw: str) -> list[str]:
    """The lines of a line that may hold line breaks; one at its end begins no other.

    :param raw: the line as received.
    """
    return _LINE_BREAK.split(raw.removesuffix("\n").removesuffix("\r")) if "\n" in raw else [raw]


def make_plain(text: str) -> str:
    """Make control characters visible and leave colours out, for where nobody shows them.

    :param text: the text.
    """
    return make_safe(_COLOUR.sub("", text))


def make_safe(text: str) -> str:
    """Make control characters visible, so that a line cannot pass for another or hide part of itself.

    Colours (``ESC[…m``) stay: Airflow's log view shows them. Lone surrogates are shown as escapes.

    :param text: the text; line breaks in it stay.
    """
    if text.isprintable():
        return text
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if _UNSAFE.search(text) is None:
        return text
    kept = 0
    parts: list[str] = []
    for colour in _COLOUR.finditer(text):
        parts += (text[kept : colour.start()].translate(_ESCAPES), colour[0])
        kept = colour.end()
    return "".join(parts) + text[kept:].translate(_ESCAPES)
