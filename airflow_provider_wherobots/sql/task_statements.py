"""The statements of a task's arguments ``sql`` and ``parameters``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.lexer import statements
from airflow_provider_wherobots.sql.parameters import bind


def read_statements(sql: Any, is_split: bool, parameters: Any = None) -> list[str]:
    """Read the statements, at least one, each with the parameters in it. Only with ``is_split`` is a string split at
    its semicolons.
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
