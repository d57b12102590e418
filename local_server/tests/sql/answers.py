"""SELECTs, ordinary and nasty ones, and what Spark answers.

The answers are those of Spark 4.1 itself, in ANSI mode and in UTC, as on the service: ``dev/spark_answers.py`` asks it
and writes ``answers.tsv`` and ``column_answers.tsv``. Their lines have a topic (for examples of Spark's documentation
the page; ``answered`` if the statement must not be refused), the statement, and its rows or the class of its error. The
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

    topic: str
    statement: str
    rows: list[tuple[Any, ...]]
    error: str = ""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TABLES = {
    "ROWS": (
        "(VALUES (1,'a',10,1.50,DATE '2024-01-01'),(2,'b',NULL,2.25,DATE '2024-02-15'),(3,'a',30,NULL,NULL),"
        "(4,NULL,40,-1.00,DATE '2023-12-31'),(5,'c',10,0.10,DATE '2024-01-01')) AS t(id,g,n,d,day)"
    ),
    "PAIRS": "(VALUES (1,'x'),(2,'y'),(2,'z'),(NULL,'w')) AS b(id,v)",
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
    "SALES": (
        "(VALUES (1,'a',CAST(12.50 AS DECIMAL(10,2)),2,CAST(3.999 AS DECIMAL(6,3))),"
        "(2,'a',CAST(0.01 AS DECIMAL(10,2)),3,CAST(0.125 AS DECIMAL(6,3))),"
        "(3,'b',CAST(1000.00 AS DECIMAL(10,2)),7,CAST(10 AS DECIMAL(6,3))),"
        "(4,'b',NULL,1,CAST(0.250 AS DECIMAL(6,3))),"
        "(5,'c',CAST(-7.77 AS DECIMAL(10,2)),6,NULL)) AS sales(id,g,amount,qty,price)"
    ),
}


def _answer(topic: str, statement: str, expected: str) -> Answer:
    if re.fullmatch("[A-Za-z0-9_]+", expected):
        return Answer(topic, statement, [], expected)
    rows = eval(expected, {"Decimal": Decimal, "at": _at, "date": date, "float": float})  # noqa: S307 - the file is the tests' own
    return Answer(topic, statement, rows)


def _answers(file: str) -> list[Answer]:
    return [_answer(*row) for row in read_rows(file, TABLES)]


ANSWERS = _answers("answers.tsv")
COLUMNS = _answers("column_answers.tsv")
"""Names of columns. All of these are answered, or refused with the class of Spark's error."""
ORDINARY = [*_answers("ordinary.tsv"), *_answers("ordinary_known.tsv")]
"""What users write, in the order in which it is executed. Statements in one line are separated by ``; ``."""
