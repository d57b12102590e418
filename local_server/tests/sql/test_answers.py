"""Ordinary SELECTs are answered as Spark answers them. What differs is listed, and each of the list still does."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from local_server.tests.sql.answers import ANSWERS, Answer
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.failures import failure_text
from wherobots_local.sql.database.results import Rows
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.dialect.errors import StatementError

# How the statement with such a part is answered.
DIFFERENT = {
    "SELECT concat_ws('s')": "refused: DuckDB's concat_ws needs a text",
    "SELECT soundex": "refused",
    "SELECT to_number": "refused, as to_char: numbers have no patterns",
    "SELECT conv": "refused",
    "overlay('Spark SQL'": "refused",
    "SELECT elt": "refused",
    "SELECT map_filter": "refused, as transform_keys and transform_values",
    "SELECT '1' + 1": "refused: DuckDB adds no text",
    "SELECT window.start": "refused: sqlglot does not read it",
    "SELECT cast(1e10 AS string)": "10000000000.0: DuckDB's text of large and small numbers",
    "SELECT cast(array(1, 2) AS string)": "[a, NULL]: DuckDB's text of NULL in arrays, of structs and maps",
    "SELECT typeof(array": "DuckDB's names of types inside maps and structs",
    "SELECT array_sort(array(5, 6, 1), (": "refused: DuckDB sorts by no function",
    "SELECT crc32": "refused",
    "SELECT hash": "refused",
    "SELECT skewness": "refused: that of DuckDB is of a sample",
    "SELECT * FROM explode": "refused: only range makes a table",
    "SELECT a, sum(b)": "another class of error",
}


def wrong(session: Session, answer: Answer) -> str:
    """Return what a statement is answered; empty if it is right."""
    try:
        found = run(Statement(session, session.warehouse.cursor()), answer.statement, None, None)
    except (StatementError, duckdb.Error) as error:
        text = failure_text(error)
        return "" if answer.error and text.startswith((f"[{answer.error}]", f"[{answer.error}.")) else text
    assert isinstance(found, Rows)
    rows = list(zip(*(column.to_pylist() for column in found.table.columns), strict=True))
    are_same = len(rows) == len(answer.rows) and all(map(is_same, map(list, rows), map(list, answer.rows)))
    return "" if are_same and not answer.error else str(rows)


def is_same(found: Any, value: Any) -> bool:
    """Whether values are the same. Numbers may be of another type, times are UTC, and a map's keys have no order."""
    match found, value:
        case (bool(), _) | (_, bool()):
            return found is value
        case (int() | float() | Decimal(), int() | float() | Decimal()):
            return math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-12)
        case (datetime(), datetime()):
            return found.replace(tzinfo=UTC) == value
        case (dict(), dict()):
            return list(found) == list(value) and is_same(list(found.values()), list(value.values()))
        case ([tuple(), *_], [tuple(), *_]):
            return is_same([list(pair) for pair in sorted(found)], [list(pair) for pair in sorted(value)])
        case (list(), list()):
            return len(found) == len(value) and all(map(is_same, found, value))
    return bool(found == value) and type(found) is type(value)


def difference(answer: Answer) -> str | None:
    return next((why for part, why in DIFFERENT.items() if part in answer.statement), None)


def short(answer: Answer) -> str:
    return answer.statement[:80]


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if difference(answer) is None], ids=short)
def test_a_statement_is_answered_as_spark_does(session: Session, answer: Answer) -> None:
    assert wrong(session, answer) == ""


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if difference(answer) is not None], ids=short)
def test_a_known_difference_is_still_one(session: Session, answer: Answer) -> None:
    found = wrong(session, answer)
    assert found
    assert re.match(r"\[[A-Z]", found) or not str(difference(answer)).startswith("refused")


def test_each_difference_is_of_one_statement_and_nine_of_ten_are_right() -> None:
    assert [sum(part in answer.statement for answer in ANSWERS) for part in DIFFERENT] == [1] * len(DIFFERENT)
    assert len(DIFFERENT) <= len(ANSWERS) / 10
