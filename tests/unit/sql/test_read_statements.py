"""The statements of a task's arguments."""

from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.parameters import read_statements


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


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (" ;", "sql=' ;': has no statement"),
        ("-- comment", "sql='-- comment': has no statement"),
        ([], "sql=[]: has no statement"),
        (["SELECT 1", 2], "sql: each statement must be a string that is not empty, but one is 2"),
        (None, "sql: must be a string or a list of strings, but is of type NoneType"),
        (b"SELECT 1", "sql: must be a string or a list of strings, but is of type bytes"),
    ],
)
def test_what_is_no_statement(sql: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read_statements(sql, is_split=True)
    assert str(caught.value) == says
