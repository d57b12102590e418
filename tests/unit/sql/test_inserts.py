"""INSERT statements of many rows."""

import math
import re
from typing import Any

import numpy
import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql import values as module
from airflow_provider_wherobots.sql.values import insert_statements


def test_rows_become_literals_and_columns_names() -> None:
    rows = [(1, "O'Brien", None, 0.5), (2, "b", True, 1.0)]
    assert list(insert_statements("cat.hail.t", rows, ["a", "b c", "d`", "e"])) == [
        (
            "INSERT INTO cat.hail.t (`a`, `b c`, `d```, `e`) VALUES "
            "(1, 'O\\'Brien', NULL, 0.5E0), (2, 'b', TRUE, 1.0E0)",
            2,
        )
    ]


def test_a_list_is_an_array() -> None:
    ((statement, _),) = insert_statements("t", [(1, ["a"]), (2, ("b", None)), (3, []), (4, [[1]])])
    assert (
        statement.partition("VALUES ")[2]
        == "(1, array('a')), (2, array('b', NULL)), (3, array()), (4, array(array(1)))"
    )


def test_without_rows_there_is_no_statement() -> None:
    assert list(insert_statements("t", [])) == []


@pytest.mark.parametrize(("max_rows", "sizes"), [(2, [2, 2, 1]), (5, [5]), (0, [5]), (1, [1] * 5)])
def test_a_statement_has_at_most_so_many_rows(max_rows: int, sizes: list[int]) -> None:
    assert [count for _, count in insert_statements("t", [(n,) for n in range(5)], max_rows=max_rows)] == sizes


def test_a_statement_has_as_many_rows_as_its_characters_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARS", 60)
    made = list(insert_statements("t", [(n,) for n in range(10)]))
    assert [(count, len(text)) for text, count in made] == [(8, 59), (2, 29)]


def test_rows_are_read_as_they_are_needed() -> None:
    def rows() -> Any:
        yield (1,)
        yield (2,)
        raise RuntimeError("the third was read")

    assert next(insert_statements("t", rows(), max_rows=1)) == ("INSERT INTO t VALUES (1)", 1)


@pytest.mark.parametrize(
    ("rows", "fields", "says"),
    [
        ([(1, 2), (1,)], None, "rows[1]: has 1 values, but must have 2"),
        ([(1, 2)], ["a"], "rows[0]: has 2 values, but must have 1"),
        ([()], None, "rows[0]: has 0 values, but must have some"),
        (["ab"], None, "rows[0]: must be a list or tuple of values, but is of type str"),
        ([{"a": 1}], ["a"], "rows[0]: must be a list or tuple of values, but is of type dict"),
        ([(1,)], [5], "target_fields[0]: is of type int"),
        ([(1, object())], None, "rows[0][1]: is of type object"),
    ],
)
def test_wrong_rows_are_named(rows: Any, fields: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(says)):
        list(insert_statements("t", rows, fields))


@pytest.mark.parametrize("missing", [None, math.nan, numpy.float64("nan"), numpy.float32("nan")])
def test_what_pandas_has_for_a_missing_value_is_null(missing: Any) -> None:
    assert list(insert_statements("t", [("a", missing)])) == [("INSERT INTO t VALUES ('a', NULL)", 1)]
    assert list(insert_statements("t", [([1, missing],)])) == [("INSERT INTO t VALUES (array(1, NULL))", 1)]
