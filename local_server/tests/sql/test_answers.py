"""SELECTs are answered as Spark answers them, or refused."""

from __future__ import annotations

import re

import duckdb
import pytest

from local_server.tests.sql.answers import ANSWERS, COLUMNS, Answer
from local_server.tests.sql.compared import ordinary, wrong
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.failures import failure_text
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.dialect.functions import NAMES


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
    found = [is_answered for topic in ordinary(session).values() for is_answered in topic]
    assert len(found) > 300
    assert sum(found) > 0.85 * len(found)


def test_each_known_function_has_an_answer(session: Session) -> None:
    """Those of Sedona have their own."""
    right = " ".join(answer.statement.lower() for answer in ANSWERS if not answer.error and not wrong(session, answer))
    of_chance = {"geometrytype", "raise_error"}
    unproved = {name for name in NAMES if not name.startswith("st_") and not re.search(rf"\b{name}\b", right)}
    assert unproved <= of_chance
