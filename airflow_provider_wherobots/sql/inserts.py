"""Rows as INSERT statements of many rows each: a statement with a thousand rows takes as long as one with one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.identifiers import identifier
from airflow_provider_wherobots.sql.literals import NAN, literal

MAX_CHARS = 1_000_000
"""The most characters of a statement with more than one row."""


def insert_statements(
    table: str,
    rows: Iterable[Any],
    fields: Sequence[str] | None = None,
    max_rows: int = 0,
) -> Iterator[tuple[str, int]]:
    """Make the statements, each with its number of rows. ``max_rows`` 0 sets no limit."""
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
