"""Ordinary SELECTs of Spark, and their right answers.

The statements are the examples of Spark's function documentation and of its SQL reference, several in one where they
belong together, and statements of that kind. The answers are those of the documentation; each was confirmed by Spark
4.0.0 itself, with ``spark.sql.ansi.enabled`` and the time zone UTC, as on the service. They are in ``answers.tsv``: the
page below https://spark.apache.org/docs/4.0.0/ that says so, the statement, and its rows or the class of its error. The
rows are as Arrow gives them to Python: a struct is a dict, a map a list of pairs.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from local_server.tests.sql.answer_files import read_rows


class Answer(NamedTuple):
    """A statement with its rows, or with the class of its error."""

    statement: str
    rows: list[tuple[Any, ...]]
    error: str = ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TABLES = {
    "DEALERS": (
        "(VALUES "
        "(100, 'Fremont', 'Honda Civic', 10), (100, 'Fremont', 'Honda Accord', 15), "
        "(100, 'Fremont', 'Honda CRV', 7), (200, 'Dublin', 'Honda Civic', 20), "
        "(200, 'Dublin', 'Honda Accord', 10), (200, 'Dublin', 'Honda CRV', 3), "
        "(300, 'San Jose', 'Honda Civic', 5), (300, 'San Jose', 'Honda Accord', 8)"
        ") AS dealer(id, city, car_model, quantity)"
    ),
    "EMPLOYEES": (
        "(VALUES "
        "('Lisa', 'Sales', 10000, 35), ('Evan', 'Sales', 32000, 38), ('Fred', 'Engineering', 21000, 28), "
        "('Alex', 'Sales', 30000, 33), ('Tom', 'Engineering', 23000, 33), ('Jane', 'Marketing', 29000, 28), "
        "('Jeff', 'Marketing', 35000, 38), ('Paul', 'Engineering', 29000, 23), ('Chloe', 'Engineering', 23000, 25)"
        ") AS employees(name, dept, salary, age)"
    ),
    "PERSONS": (
        "(VALUES "
        "(100, 'John', 30, 1, 'Street 1'), (200, 'Mary', NULL, 1, 'Street 2'), (300, 'Mike', 80, 3, 'Street 3'), "
        "(400, 'Dan', 50, 4, 'Street 4')"
        ") AS person(id, name, age, class, address)"
    ),
}


def _answer(statement: str, expected: str) -> Answer:
    if re.fullmatch("[A-Z_]+", expected):
        return Answer(statement, [], expected)
    rows = eval(expected, {"Decimal": Decimal, "at": _at, "date": date})  # noqa: S307 - the file is the tests' own
    return Answer(statement, rows)


ANSWERS = [_answer(statement, expected) for _page, statement, expected in read_rows("answers.tsv", TABLES)]
