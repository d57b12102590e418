"""Statements and their parameters: ``%(name)s`` and ``%s`` become literals, ``%(name)i`` and ``%i`` become names.

Placeholders are found outside of literals, quoted names and comments only, so ``LIKE '%s'`` is a pattern. Outside of
them ``%%`` is a percent sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.statements import SqlTokenKind, Token, statements, tokens
from airflow_provider_wherobots.sql.values import identifier, literal

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]

WRITERS: dict[str, Callable[[str, Any], str]] = {"s": literal, "i": identifier}
_KEYED = re.compile(r"%\(([^()]*)\)[a-zA-Z]")
_TYPED = ("DATE '", "TIMESTAMP '")
_TYPE_BEFORE = re.compile(r"\b(DATE|TIMESTAMP(?:_NTZ|_LTZ)?)\s+\Z", re.IGNORECASE)
_UNKEYED = re.compile(r"%[si](?!\w)")


def read_statements(sql: Any, is_split: bool, parameters: Any = None) -> list[str]:
    """The statements of a task's arguments, at least one, each with its parameters. Only with ``is_split`` is a string
    split at its semicolons.
    """
    if isinstance(sql, str):
        texts = statements(sql) if is_split else [sql]
    elif isinstance(sql, Iterable) and not isinstance(sql, bytes):
        texts = list(sql)
    else:
        raise InvalidArgumentError(f"sql: must be a string or a list of strings, but is of type {type(sql).__name__}")
    if not texts:
        raise InvalidArgumentError(f"sql={sql!r}: has no statement")
    for text in texts:
        if not isinstance(text, str) or not statements(text):
            raise InvalidArgumentError(f"sql: each statement must be a string that is not empty, but one is {text!r}")
    return [bind(text, parameters or None) for text in texts]


def bind(statement: str, parameters: Parameters | None = None) -> str:
    """Replace the placeholders of a statement by literals and quoted names.

    ``%(name)s`` stands for a value and ``%(name)i`` for a name, of a mapping; ``%s`` and ``%i`` for the next of a
    sequence. Without parameters the statement stays as it is.
    """
    if parameters is None:
        return statement
    if not isinstance(parameters, Mapping | Sequence) or isinstance(parameters, str | bytes | bytearray | memoryview):
        raise InvalidArgumentError(
            f"parameters: must be a mapping, a list or a tuple, but is of type {type(parameters).__name__}"
        )
    if not parameters:
        return statement
    found = list(tokens(statement))
    if found and (last := found[-1]).kind is SqlTokenKind.OPEN:
        opening = "/*" if last.text.startswith("/*") else last.text[0]
        raise InvalidArgumentError(
            f"sql: its last {opening} is never closed, so the placeholders after it cannot be distinguished from text"
        )
    values = _values(found, parameters)
    return "".join(_written(found, index, values) for index in range(len(found)))


def _values(found: list[Token], parameters: Parameters) -> Iterator[tuple[str, Any]]:
    """For each placeholder its name in errors, and its value."""
    placeholders = [token for token in found if token.kind is SqlTokenKind.PLACEHOLDER]
    if isinstance(parameters, Mapping):
        _check_quoted(found, parameters)
        return (_named(token, parameters) for token in placeholders)
    count = sum(token.key is None for token in placeholders)
    if count != len(parameters):
        raise InvalidArgumentError(
            f"parameters: has {len(parameters)} values, but sql has {count} placeholders %s or %i"
            f"{_note_on_quoted(found)}"
        )
    if keyed := [token.text for token in placeholders if token.key is not None]:
        raise InvalidArgumentError(f"sql: has the placeholder {keyed[0]}, but parameters is a sequence: write %s")
    return ((f"parameters[{index}]", value) for index, value in enumerate(parameters))


def _named(token: Token, parameters: Mapping[str, Any]) -> tuple[str, Any]:
    if token.key is None:
        raise InvalidArgumentError(
            f"sql: has the placeholder {token.text}, but parameters is a mapping: write %(name){token.form}, or "
            f"%% for a percent sign"
        )
    if token.key not in parameters:
        known = ", ".join(str(key) for key in parameters)
        raise InvalidArgumentError(f"sql: {token.text} is not in parameters, which has {known}")
    return f"parameters[{token.key!r}]", parameters[token.key]


def _written(found: list[Token], index: int, values: Iterator[tuple[str, Any]]) -> str:
    token = found[index]
    if token.kind is SqlTokenKind.PERCENT:
        return "%"
    if token.kind is not SqlTokenKind.PLACEHOLDER:
        return token.text
    name, value = next(values)
    if token.form not in WRITERS:
        raise InvalidArgumentError(
            f"sql: {token.text}: write {_with_form(token, 's')} for a value, {_with_form(token, 'i')} for a name"
        )
    before = found[index - 1].text if index else ""
    after = found[index + 1].text if index + 1 < len(found) else ""
    _check_alone(token, before[-1:], after[:1])
    type_before = _TYPE_BEFORE.search(before)
    if type_before and type_before[1].upper() == "DATE" and isinstance(value, datetime):
        value = value.date()
    text = WRITERS[token.form](name, value)
    if type_before and text.startswith(_TYPED):
        # DATE %(day)s: the type stands in the statement already.
        return text.partition(" ")[2]
    if text.startswith("(") and (before.rstrip()[-1:], after.lstrip()[:1]) == ("(", ")"):
        # A list whose parentheses stand in the statement already.
        return text[1:-1]
    # Two minus signs would begin a comment.
    return f" {text}" if text.startswith("-") and before.endswith("-") else text


def _check_alone(token: Token, before: str, after: str) -> None:
    if token.form == "s" and "." in (before, after):
        raise InvalidArgumentError(
            f"sql: {token.text} stands next to a dot, where a name is expected, but becomes a literal: write "
            f"{_with_form(token, 'i')}, which becomes a quoted name"
        )
    touched = [side for side in (before, after) if side and (side.isalnum() or side in "_$%'\"`")]
    if touched:
        raise InvalidArgumentError(
            f"sql: {token.text} touches {touched[0]}: a placeholder stands alone, for a whole value or a whole name"
        )


def _check_quoted(found: list[Token], parameters: Mapping[str, Any]) -> None:
    for token in found:
        if token.kind not in (SqlTokenKind.LITERAL, SqlTokenKind.NAME):
            continue
        for placeholder in _KEYED.finditer(token.text):
            if placeholder[1] in parameters:
                quotes, form = ("backticks", "i") if token.kind is SqlTokenKind.NAME else ("quotes", "s")
                raise InvalidArgumentError(
                    f"sql: {placeholder[0]} stands inside {quotes}: write %({placeholder[1]}){form} without them, "
                    f"since it gets its own; for a part of a text, make the whole text the parameter"
                )


def _note_on_quoted(found: list[Token]) -> str:
    if any(token.kind in (SqlTokenKind.LITERAL, SqlTokenKind.NAME) and _UNKEYED.search(token.text) for token in found):
        return "; one inside quotes is text: write it without quotes, since it gets its own"
    return ""


def _with_form(token: Token, form: str) -> str:
    return f"%{form}" if token.key is None else f"%({token.key}){form}"
