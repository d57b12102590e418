"""Python values in a statement: literals that Spark reads back as the same values, names, and rows to insert.

The service binds no parameters, so they become part of the statement. Its literals are Spark's: a backslash escapes,
and a doubled quote does not quote.
Source: Spark SQL Reference, "Literals"; ``unescapeSQLString`` and ``VariableSubstitution`` of Spark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite, isnan
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

NAN = "CAST('NaN' AS DOUBLE)"
MAX_PRECISION = 38
"""The most digits that a DECIMAL of Spark has, and so a whole number."""
RULE = "must be a string, a number, True or False, None, bytes, a date, a datetime, or a list or tuple of these"
MAX_CHARS = 1_000_000
"""The most characters of a statement with more than one row."""

# `\0` is not used: digits after it would make it an octal number. Spark replaces `${name}` by settings and environment
# variables of the session before it reads a statement, within literals too.
_TO_ESCAPE = re.compile(r"[\\'\x00-\x1f\x7f]|\$(?=\{)")
_SHORT = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(name: str, value: Any) -> str:
    """Write a value as a literal; a list or tuple as literals in parentheses, for ``IN``.

    A float becomes a DOUBLE, a ``Decimal`` a DECIMAL of its digits. A datetime with a time zone is written in UTC; one
    without is read by the session in its own time zone. The error for a value without a literal has ``name``, the
    value's type and the rule, not the value.
    """
    if isinstance(value, list | tuple):
        if not value:
            raise InvalidArgumentError(f"{name}: is an empty list, and IN () is not SQL")
        return f"({', '.join(_scalar(f'{name}[{index}]', item) for index, item in enumerate(value))})"
    return _scalar(name, value)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    elif _is_number_of_numpy(value):
        value = value.item()
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return f"'{_TO_ESCAPE.sub(_escaped, _checked_text(name, value))}'"
        case int():
            return _whole(name, value)
        case float():
            return _double(value)
        case Decimal():
            return _decimal(name, value)
        case bytes() | bytearray() | memoryview():
            return f"X'{bytes(value).hex().upper()}'"
        case datetime():
            return f"TIMESTAMP '{_moment(name, value)}'"
        case date():
            return f"DATE '{date.isoformat(value)}'"
    raise InvalidArgumentError(
        f"{name}: is of type {type(value).__name__}, but {RULE}; convert it, for example with str()"
    )


def _is_number_of_numpy(value: Any) -> bool:
    """Whether it is a number or a truth value as a data frame holds it."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in ("b", "i", "u", "f") and getattr(value, "ndim", None) == 0


def _whole(name: str, value: int) -> str:
    if abs(value) >= 10**MAX_PRECISION:
        raise InvalidArgumentError(f"{name}: has more than {MAX_PRECISION} digits, the maximum in Spark")
    return int.__repr__(value)


def _checked_text(name: str, value: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{name}: contains a lone surrogate, which is not valid Unicode") from None
    return text


def _double(value: float) -> str:
    if isnan(value):
        return NAN
    if not isfinite(value):
        return f"CAST('{'-' if value < 0 else ''}Infinity' AS DOUBLE)"
    text = float.__repr__(value)
    # Without an exponent it would be a DECIMAL.
    return text if "e" in text else f"{text}E0"


def _decimal(name: str, value: Decimal) -> str:
    if not value.is_finite():
        raise InvalidArgumentError(f"{name}: is the Decimal {value}, which a DECIMAL cannot be")
    text = format(value, "f")
    whole, _, fraction = text.lstrip("-").partition(".")
    precision = max(len(whole.lstrip("0")) + len(fraction), 1)
    if precision > MAX_PRECISION:
        raise InvalidArgumentError(f"{name}: has {precision} digits, but a DECIMAL has {MAX_PRECISION} at most")
    return f"CAST('{text}' AS DECIMAL({precision}, {len(fraction)}))"


def _moment(name: str, value: datetime) -> str:
    if value != value:
        # pandas' NaT, which is a datetime too.
        raise InvalidArgumentError(f"{name}: is NaT; pass None for NULL")
    offset = ""
    if value.utcoffset() is not None:
        offset = "+00:00"
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise InvalidArgumentError(f"{name}: is outside of the years 1 to 9999 in UTC") from None
    # Subclasses such as pandas' have their own way to write it.
    plain = datetime(*value.timetuple()[:6], value.microsecond)
    return f"{plain.isoformat(' ')}{offset}"


def identifier(name: str, value: Any) -> str:
    """Write a name in backticks; a list such as ``["org_catalog", "hail", "reports"]`` as parts with dots between them.

    A string is one name: a dot in it does not split it. ``name`` is how errors name the value.
    """
    if isinstance(value, list | tuple):
        if not value:
            raise InvalidArgumentError(f"{name}: is an empty list, but a name has one part or more")
        return ".".join(_part(f"{name}[{index}]", part) for index, part in enumerate(value))
    return _part(name, value)


def _part(name: str, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{name}: is of type {type(value).__name__}, but a name must be a string, or a list of its parts"
        )
    text = str.__str__(value)
    if not text.strip():
        raise InvalidArgumentError(f"{name}={text!r}: a name must not be empty")
    # Spark would replace it by a setting of the session, also within backticks.
    if "${" in text or not text.isprintable():
        raise InvalidArgumentError(f"{name}={text!r}: a name must not contain control characters or ${{")
    quoted = text.replace("`", "``")
    return f"`{quoted}`"


def insert_statements(
    table: str,
    rows: Iterable[Any],
    fields: Sequence[str] | None = None,
    max_rows: int = 0,
) -> Iterator[tuple[str, int]]:
    """Write rows as INSERT statements, each with its number of rows: one of a thousand rows takes as long as one of a
    single row. ``max_rows`` 0 sets no limit.
    """
    names = [identifier(f"target_fields[{index}]", field) for index, field in enumerate(fields or ())]
    beginning = " ".join(["INSERT INTO", table, *([f"({', '.join(names)})"] if names else ()), "VALUES "])
    batch: list[str] = []
    chars, width = len(beginning), len(fields) if fields else None
    for index, row in enumerate(rows):
        values = _values(index, row)
        width = len(values) if width is None else width
        if len(values) != width or not values:
            raise InvalidArgumentError(f"rows[{index}]: has {len(values)} values, but must have {width or 'some'}")
        text = f"({', '.join(_value(f'rows[{index}][{place}]', value) for place, value in enumerate(values))})"
        if batch and (len(batch) == max_rows or chars + len(text) > MAX_CHARS):
            yield beginning + ", ".join(batch), len(batch)
            batch, chars = [], len(beginning)
        batch.append(text)
        chars += len(text) + 2
    if batch:
        yield beginning + ", ".join(batch), len(batch)


def _value(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"array({', '.join(_value(f'{name}[{index}]', item) for index, item in enumerate(value))})"
    text = literal(name, value)
    # What pandas has for a missing value, also in a column of texts.
    return "NULL" if text == NAN else text


def _values(index: int, row: Any) -> Sequence[Any]:
    if isinstance(row, str | bytes | Mapping) or not isinstance(row, Iterable):
        raise InvalidArgumentError(
            f"rows[{index}]: must be a list or tuple of values, but is of type {type(row).__name__}"
        )
    return tuple(row)
