"""The result of a run: a JSON value that its script prints as one marked line.

The line begins with ``airflow-result:``, after white space. The rest of it is any JSON value, also null. The last such
line counts, by the lines' own times, as lines may be inserted late; of equal times, the one that was read last. So
pages of any size, and a log that is read again from its start, give the same result.

A function's script (``@task.wherobots``) prints a longer result in parts, each a line of its own:
``airflow-result-part: 2/17 1c291ca3 |…|``, with the part's number, the number of parts and a checksum of the whole. The
lines may come in any order. Each is written at once, and is so short that a pipe keeps it in one piece (``PIPE_BUF``,
4,096 bytes on Linux), whatever other processes of the run write into the same pipe. A longer line may be torn.

A result with text before its marker, as a logger prints it, is no result. It is kept for the task's message.

A function's script refuses such a value itself: it prints ``airflow-result-refused`` and fails the run.

A line is refused if it is not JSON, or if Airflow could not store the value as an XCom. A refused line leaves an
earlier result as it is, and is reported once, when the log has been read.

=======================================  =========================================================================
refused                                  because of
=======================================  =========================================================================
more than 64 KiB                         the database row in which a trigger's event waits for a worker
NaN, infinity, numbers beyond a double   JSON, and the JSON types of PostgreSQL and MySQL, which have none of them
integers beyond 64 bits                  the protocol between a task and its supervisor (Airflow 3)
more than 64 levels                      MySQL, which stores 100
lone surrogates, NUL characters          UTF-8, and PostgreSQL's JSON type
keys of Airflow's own serialization      Airflow would refuse to store the value, or read it as an object of a class
=======================================  =========================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn
from zlib import crc32

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.records import read_time_ns, split_lines

MARKER = "airflow-result:"
"""The beginning of a line with the result."""
PART_MARKER = "airflow-result-part:"
"""The beginning of a line with a part of the result."""
REFUSED_MARKER = "airflow-result-refused"
"""The line that a function's script prints before it fails for a return value that cannot be sent or stored."""
PARTITIONS = "partitions"
"""The key of a result with the partitions that the run has written."""
MAX_RESULT_BYTES = 64 * 1024
"""The most bytes of JSON, in UTF-8, as printed."""
MAX_LEVELS = 64
"""How deep objects and arrays may be nested."""
MAX_PARTITION_CHARS = 250
"""The width of Airflow's column for the key of a partition."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
TOO_DEEP = f"is nested more than {MAX_LEVELS} levels deep"
TOO_LARGE = "contains an integer of more than 64 bits; print it as a string"
MAX_EXCERPT_CHARS = 200
"""How much of a refused line is kept for the warning."""
_PART = re.compile(rf"{PART_MARKER} ([0-9]{{1,3}})/([0-9]{{1,3}}) ([0-9a-f]{{8}}) \|(.{{0,4096}})\|\s*\Z")


class NoResultError(ValueError):
    """A text that is not a result. Its message completes "the line is not used, because it …"."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A marked line that is not used."""

    reason: str
    excerpt: str


class ResultReader:
    """Finds the result among a log's lines."""

    __slots__ = ("_parts", "_parts_of", "_time_ns", "is_value_refused", "logged", "refused", "text")

    def __init__(self) -> None:
        # The result, as JSON.
        self.text: str | None = None
        self._time_ns = 0
        # The last refused line.
        self.refused: Refused | None = None
        # The last result with text before its marker.
        self.logged = ""
        # Whether the script has refused the function's return value.
        self.is_value_refused = False
        # Parts of one result: a script prints one after the other.
        self._parts: dict[int, str] = {}
        self._parts_of = ("", "")

    @property
    def is_seen(self) -> bool:
        """Whether the script has printed a result, even one that is not used."""
        return self.text is not None or self.refused is not None or bool(self.logged)

    def add(self, lines: Sequence[Line]) -> None:
        # One search, not one per line: few slices of a log have a result.
        joined = "\n".join([raw for _, raw in lines])
        if MARKER not in joined and PART_MARKER not in joined and REFUSED_MARKER not in joined:
            return
        for timestamp, raw in lines:
            for text in split_lines(raw):
                marked = text.lstrip()
                if marked.startswith(MARKER):
                    self._read(timestamp, marked, marked[len(MARKER) :].strip())
                elif part := _PART.match(marked):
                    self._add_part(timestamp, part)
                elif marked.rstrip() == REFUSED_MARKER:
                    self.is_value_refused = True
                elif MARKER in marked and _is_result(marked.partition(MARKER)[2].strip()):
                    self.logged = marked[:MAX_EXCERPT_CHARS]

    def _add_part(self, timestamp: str | int, part: re.Match[str]) -> None:
        number, count, check, text = part.groups()
        if self._parts_of != (count, check):
            self._parts_of, self._parts = (count, check), {}
        self._parts[int(number)] = text
        if len(self._parts) == int(count):
            whole = "".join(text for _, text in sorted(self._parts.items()))
            self._parts = {}
            self._read(timestamp, part.string, whole, check)

    def _read(self, timestamp: str | int, marked: str, text: str, check: str | None = None) -> None:
        try:
            if check is not None and check != _check_of(text):
                raise NoResultError("is a part of a result whose parts do not fit together")
            read_result(text)
        except NoResultError as error:
            self.refused = Refused(str(error), marked[:MAX_EXCERPT_CHARS])
            return
        # A line without a readable time counts as the newest.
        time_ns = read_time_ns(timestamp) or self._time_ns
        if time_ns >= self._time_ns:
            self.text, self._time_ns = text, time_ns


def read_result(text: str) -> Any:
    """Read the JSON of a result. Raises a ``NoResultError`` if it is not JSON, or cannot be stored."""
    size = len(_encoded(text))
    if size > MAX_RESULT_BYTES:
        raise NoResultError(f"has {size:,} bytes of JSON, and the limit is {MAX_RESULT_BYTES:,}")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except NoResultError:
        raise
    except json.JSONDecodeError as error:
        raise NoResultError(f"is not JSON ({error.msg} at character {error.pos + 1})") from None
    except RecursionError:
        raise NoResultError(TOO_DEEP) from None
    except ValueError:
        # Python reads no integer of so many digits.
        raise NoResultError(TOO_LARGE) from None
    for part, level in _parts(value):
        _check(part, level)
    return value


def _is_result(text: str) -> bool:
    try:
        read_result(text)
    except NoResultError:
        return False
    return True


def read_partitions(result: Any) -> list[str]:
    """Read the partitions that a result names, each once; an empty list if it names none.

    Raises a ``ValueError`` if Airflow would not take one of them.
    """
    named = result.get(PARTITIONS) if isinstance(result, dict) else None
    if named is None:
        return []
    if not isinstance(named, list):
        raise ValueError(f"{PARTITIONS} must be a list of strings")
    for number, key in enumerate(named):
        if not (isinstance(key, str) and key.strip() and len(key) <= MAX_PARTITION_CHARS):
            rule = f"a string of 1 to {MAX_PARTITION_CHARS} characters, not only white space"
            raise ValueError(f"{PARTITIONS}[{number}] must be {rule}")
    return list(dict.fromkeys(named))


def _check_of(text: str) -> str:
    return f"{crc32(_encoded(text)):08x}"


def _parts(value: Any) -> Iterator[tuple[Any, int]]:
    """A value and all values and keys in it, each with its level. Not recursive: it may be nested deeply."""
    left = [(value, 0)]
    while left:
        part, level = left.pop()
        yield part, level
        if isinstance(part, dict):
            left += ((one, level + 1) for pair in part.items() for one in pair)
        elif isinstance(part, list):
            left += ((one, level + 1) for one in part)


def _check(part: Any, level: int) -> None:
    match part:
        case str():
            if b"\0" in _encoded(part):
                raise NoResultError("contains a NUL character, which PostgreSQL cannot store")
        case int():
            if not MIN_INTEGER <= part <= MAX_INTEGER:
                raise NoResultError(TOO_LARGE)
        case dict() | list() if level >= MAX_LEVELS:
            raise NoResultError(TOO_DEEP)
        case {"__classname__": _} | {"__id__": _} | {"__type": _, "__var": _}:
            raise NoResultError("has a key that Airflow reserves: __classname__, __id__, or __type with __var")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NoResultError("contains a lone surrogate, which is not valid Unicode") from None


def _no_number(constant: str) -> NoReturn:
    raise NoResultError(f"is not JSON (which has no {constant})")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise NoResultError("contains a number that is too large for a double")
    return number
