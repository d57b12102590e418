"""Compares the answers of a session with those of Spark."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb

from local_server.tests.sql.answers import ORDINARY, Answer
from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.failures import failure_text
from wherobots_local.sql.database.results import Rows
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.dialect.errors import StatementError

_REFUSED = re.compile(r"\[(UNSUPPORTED_FEATURE|PARSE_SYNTAX_ERROR|UNRESOLVABLE_TABLE_VALUED_FUNCTION)\] ")


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


def ordinary(session: Session) -> dict[str, list[bool]]:
    """Execute the ordinary statements. Return for each topic which of them are answered; the others are refused."""
    found: dict[str, list[bool]] = {}
    for answer in ORDINARY:
        text = wrong(session, answer)
        if text and _REFUSED.match(text) is None:
            raise AssertionError(f"{answer.statement}: {text}")
        found.setdefault(answer.topic, []).append(not text and answer.error != "UNSUPPORTED_FEATURE")
    return found
