"""A Python value as the name of a catalog, schema, table or column."""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError


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
