"""The statements of a task's arguments."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.task_statements import read_statements


@pytest.mark.parametrize(
    ("sql", "is_split", "parameters", "expected"),
    [
        ("SELECT 1;", False, None, ["SELECT 1;"]),
        ("SELECT 1; SELECT ';' ;", True, None, ["SELECT 1", "SELECT ';'"]),
        (["SELECT 1; ", "SELECT 2"], True, None, ["SELECT 1; ", "SELECT 2"]),
        (("SELECT %(a)s", "SELECT 2"), False, {"a": "x"}, ["SELECT 'x'", "SELECT 2"]),
        ("SELECT '%s'", False, [], ["SELECT '%s'"]),
    ],
)
def test_what_is_read(sql: Any, is_split: bool, parameters: Any, expected: list[str]) -> None:
    assert read_statements(sql, is_split, parameters) == expected


@pytest.mark.parametrize("sql", ["", " ;", "-- comment", [], [""], ["SELECT 1", 2], None, 7, b"SELECT 1"])
def test_what_is_no_statement(sql: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="sql"):
        read_statements(sql, is_split=True)
