"""SELECTs are answered as Spark answers them, or refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from local_server.tests.sql.answers import ANSWERS, COLUMNS, ORDINARY, Answer
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.failures import failure_text
from wherobots_local.sql.database.results import Rows
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.dialect.functions import NAMES


def wrong(session: Session, answer: Answer) -> str:
    """Return what a statement, or the last of several, is answered; empty if it is right."""
    found = None
    try:
        for statement in answer.statement.split("; "):
            found = run(Statement(session, session.warehouse.cursor()), statement, None, None)
    except (StatementError, duckdb.Error) as error:
        text = failure_text(error)
        return "" if answer.error else text
    columns = found.table.columns if isinstance(found, Rows) else []
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    are_same = len(rows) == len(answer.rows) and all(map(is_same, map(list, rows), map(list, answer.rows)))
    return "" if are_same and not answer.error else f"{rows} instead of {answer.error or answer.rows}"


def is_same(found: Any, value: Any) -> bool:
    """Whether values are the same. Numbers may be of another type, but decimals have the same
    digits; times are UTC, and a map's keys have no order."""
    match found, value:
        case (bool(), _) | (_, bool()):
            return found is value
        case (Decimal(), Decimal()):
            return found == value
        case (int() | float() | Decimal(), int() | float() | Decimal()):
            are_nan = math.isnan(found) and math.isnan(value)
            return are_nan or math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-12)
        case (datetime(), datetime()):
            return found.replace(tzinfo=UTC) == value
        case (dict(), dict()):
            return list(found) == list(value) and is_same(list(found.values()), list(value.values()))
        case ([tuple(), *_], [tuple(), *_]):
            return is_same([list(pair) for pair in sorted(found)], [list(pair) for pair in sorted(value)])
        case (list(), list()):
            return len(found) == len(value) and all(map(is_same, found, value))
    return bool(found == value) and type(found) is type(value)


def short(answer: Answer) -> str:
    return answer.statement[:80]


@pytest.mark.parametrize("answer", ANSWERS, ids=short)
def test_a_statement_is_answered_as_spark_does_or_refused(session: Session, answer: Answer) -> None:
    found = wrong(session, answer)
    assert not found or (answer.topic != "answered" and re.match(r"\[[A-Z_.]+\] ", found))
    assert "[INTERNAL_ERROR]" not in found


@pytest.mark.parametrize("answer", COLUMNS, ids=short)
def test_a_column_is_found_or_refused_as_in_spark(session: Session, answer: Answer) -> None:
    assert not wrong(session, answer)
    if answer.error:
        with pytest.raises((StatementError, duckdb.Error)) as raised:
            run(Statement(session, session.warehouse.cursor()), answer.statement, None, None)
        assert failure_text(raised.value).startswith(f"[{answer.error}")


def test_most_are_answered(session: Session) -> None:
    answered = [answer for answer in ANSWERS if not answer.error]
    assert sum(not wrong(session, answer) for answer in answered) > 0.75 * len(answered)


def test_no_ordinary_statement_is_answered_in_another_way_and_most_are_answered(session: Session) -> None:
    found = {answer.statement: wrong(session, answer) for answer in ORDINARY}
    refusal = re.compile(r"\[(UNSUPPORTED_FEATURE|PARSE_SYNTAX_ERROR|UNRESOLVABLE_TABLE_VALUED_FUNCTION)\] ")
    refused = {statement for statement, text in found.items() if refusal.match(text)}
    assert {statement: text for statement, text in found.items() if text and statement not in refused} == {}
    refused |= {answer.statement for answer in ORDINARY if answer.error == "UNSUPPORTED_FEATURE"}
    assert len(found) > 300
    assert len(refused) < 0.15 * len(found)


def test_each_known_function_has_an_answer(session: Session) -> None:
    """Those of Sedona have their own."""
    right = " ".join(answer.statement.lower() for answer in ANSWERS if not answer.error and not wrong(session, answer))
    of_chance = {"geometrytype", "raise_error"}
    unproved = {name for name in NAMES if not name.startswith("st_") and not re.search(rf"\b{name}\b", right)}
    assert unproved <= of_chance
