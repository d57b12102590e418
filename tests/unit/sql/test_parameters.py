"""The statements of a task's arguments, and their placeholders: what they become, and which are refused."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.parameters import bind, read_statements
from airflow_provider_wherobots.sql.values import MAX_PRECISION
from tests.unit.sql.spark_literals import read_literal
from tests.unit.sql.test_values import TEXTS

VALUES = {"x": "O'Brien", "n": -5, "c": "org", "t": ["org", "hail"]}


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("a = %(x)s", "a = 'O\\'Brien'"),
        ("%(x)s", "'O\\'Brien'"),
        ("f(%(x)s,%(n)s)", "f('O\\'Brien',-5)"),
        ("a=%(x)s;", "a='O\\'Brien';"),
        ("a = 3 -%(n)s", "a = 3 - -5"),
        ("a = 3 - %(n)s", "a = 3 - -5"),
        ("FROM %(c)i.hail.t", "FROM `org`.hail.t"),
        ("FROM a.%(c)i", "FROM a.`org`"),
        ("FROM %(c)i.%(c)i.%(c)i", "FROM `org`.`org`.`org`"),
        ("FROM %(t)i x", "FROM `org`.`hail` x"),
        ("a LIKE '%a' AND b = %(n)s", "a LIKE '%a' AND b = -5"),
        ("a LIKE '%%a' AND b = %(n)s", "a LIKE '%%a' AND b = -5"),
        ("a LIKE '%s' AND b = %(n)s", "a LIKE '%s' AND b = -5"),
        ("a % 2 AND b %% 2", "a % 2 AND b % 2"),
        ("a %size", "a %size"),
        ("a %(b) AND c", "a %(b) AND c"),
        ("-- %(gone)s\na = %(n)s", "-- %(gone)s\na = -5"),
        ("-- don't\na = %(n)s", "-- don't\na = -5"),
        ("/* %(x)s it's /* nested ' */ %(x)s */ %(n)s", "/* %(x)s it's /* nested ' */ %(x)s */ -5"),
        ("/* a /*+ hint */ %(n)s", "/* a /*+ hint */ -5"),
        ("/*+ BROADCAST(a) */ %(n)s", "/*+ BROADCAST(a) */ -5"),
        ("'it\\'s %(gone)s' = %(n)s", "'it\\'s %(gone)s' = -5"),
        ('"it\'s" = %(n)s', '"it\'s" = -5'),
        ("`it's` = %(n)s", "`it's` = -5"),
        ("r'\\' = %(n)s", "r'\\' = -5"),
        ('R"\\" = %(n)s', 'R"\\" = -5'),
        # Here the r is the end of a word, and the literal goes on after the escaped quote.
        ("or'\\' %(gone)s' = %(n)s", "or'\\' %(gone)s' = -5"),
    ],
)
def test_a_mapping(statement: str, bound: str) -> None:
    assert bind(statement, VALUES) == bound


@pytest.mark.parametrize(
    ("statement", "parameters", "bound"),
    [
        ("a = %s AND b = %s", ["x", 1], "a = 'x' AND b = 1"),
        ("a = %s", ("x",), "a = 'x'"),
        ("FROM %i WHERE a = %s", ["t", 1], "FROM `t` WHERE a = 1"),
        ("a IN %s", [[1, 2]], "a IN (1, 2)"),
        ("a IN (%s) OR b", [[1, 2]], "a IN (1, 2) OR b"),
        ("a IN ( %s )", [(1,)], "a IN ( 1 )"),
        ("a IN (%s) OR b IN (%s, 7)", [1, 2], "a IN (1) OR b IN (2, 7)"),
        ("a LIKE '%s' AND b = %s", [1], "a LIKE '%s' AND b = 1"),
        ("a LIKE '%a' AND b %% 2 = %s", [1], "a LIKE '%a' AND b % 2 = 1"),
        ("VALUES (%s,%s)", [None, True], "VALUES (NULL,TRUE)"),
        ("a = DATE %s", [date(2026, 5, 1)], "a = DATE '2026-05-01'"),
        ("a = timestamp\n%s", [date(2026, 5, 1)], "a = timestamp\n'2026-05-01'"),
        ("a = DATE %s", ["2026-05-01"], "a = DATE '2026-05-01'"),
        ("a = DATE %s", [datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=2)))], "a = DATE '2026-05-01'"),
        ("a = TIMESTAMP_NTZ %s", [datetime(2026, 5, 1, 8)], "a = TIMESTAMP_NTZ '2026-05-01 08:00:00'"),
        ("update %s", [date(2026, 5, 1)], "update DATE '2026-05-01'"),
    ],
)
def test_a_sequence(statement: str, parameters: Any, bound: str) -> None:
    assert bind(statement, parameters) == bound


@pytest.mark.parametrize("parameters", [None, {}, [], ()])
@pytest.mark.parametrize("statement", ["a LIKE '%a'", "a %% 2 = %s", "'open", "", "%(x)s"])
def test_without_parameters_a_statement_is_sent_as_it_is(statement: str, parameters: Any) -> None:
    assert bind(statement, parameters) == statement


@pytest.mark.parametrize(
    ("statement", "parameters", "says"),
    [
        ("a = '%(x)s'", VALUES, "%(x)s stands inside quotes: write %(x)s without them"),
        ('a = "%(x)s"', VALUES, "%(x)s stands inside quotes"),
        ("a LIKE '%%%(x)s%%'", VALUES, "make the whole text the parameter"),
        ("FROM `%(c)s`.t", VALUES, "%(c)s stands inside backticks: write %(c)i without them"),
        ("FROM %(c)s.%(d)s.t", VALUES, "%(c)s stands next to a dot"),
        ("FROM a.%(c)s", VALUES, "write %(c)i, which becomes a quoted name"),
        ("FROM hail_%(c)s", VALUES, "%(c)s touches _"),
        ("FROM hail_%(c)i", VALUES, "%(c)i touches _"),
        ("FROM %(c)i_hail", VALUES, "%(c)i touches _"),
        ("'a'%(x)s", VALUES, "%(x)s touches '"),
        ("%(x)s%(x)s", VALUES, "%(x)s touches %"),
        ("X%(x)s", VALUES, "%(x)s touches X"),
        ("%(gone)s", VALUES, "%(gone)s is not in parameters, which has x, n, c, t"),
        ("a = %s", VALUES, "has the placeholder %s, but parameters is a mapping: write %(name)s, or %%"),
        ("a = %(n)d", VALUES, "%(n)d: write %(n)s for a value, %(n)i for a name"),
        ("a = 'x AND b = %(n)s", VALUES, "its last ' is never closed"),
        ("a = %(n)s AND b = 'x", VALUES, "its last ' is never closed"),
        ("a /* s3://b/*.csv */ = %(n)s", VALUES, "its last /* is never closed"),
        ("a = %(x)s AND b = %s", ["x"], "has the placeholder %(x)s, but parameters is a sequence: write %s"),
        ("FROM %s.t", ["x"], "%s stands next to a dot, where a name is expected, but becomes a literal: write %i"),
        ("a = %s", "x", "must be a mapping, a list or a tuple, but is of type str"),
        ("a = %s", b"x", "is of type bytes"),
        ("a = %s", {"x"}, "is of type set"),
        ("a = %s", 1, "is of type int"),
        ("a = %(x)s", {"x": object()}, "parameters['x']: is of type object"),
        ("a = %s", [object()], "parameters[0]: is of type object"),
        ("FROM %(x)i", {"x": 1}, "parameters['x']: is of type int, but a name must be a string"),
    ],
)
def test_what_is_refused_and_how_it_is_written(statement: str, parameters: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(says)):
        bind(statement, parameters)


@pytest.mark.parametrize(
    ("statement", "values", "placeholders", "note"),
    [
        ("a = %(x)s", 1, 0, ""),
        ("a = %s AND b = 'c'", 2, 1, ""),
        ("a = %s AND b = %i", 1, 2, ""),
        ("a = '%s'", 1, 0, "; one inside quotes is text: write it without quotes, since it gets its own"),
    ],
)
def test_a_sequence_has_a_value_for_each_placeholder(statement: str, values: int, placeholders: int, note: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        bind(statement, ["x"] * values)
    says = f"parameters: has {values} values, but sql has {placeholders} placeholders %s or %i{note}"
    assert str(caught.value) == says


@given(TEXTS, TEXTS)
def test_no_text_changes_the_statement_around_it(first: str, second: str) -> None:
    before, between, after = "SELECT * FROM t WHERE a = ", " AND b LIKE 'x%\\'' AND c <> ", " -- 'end'"
    bound = bind(f"{before}%(a)s{between}%(b)s{after}", {"a": first, "b": second})
    assert bound.startswith(before)
    read, position = read_literal(bound, len(before))
    assert read == first
    assert bound[position:].startswith(between)
    read, position = read_literal(bound, position + len(between))
    assert read == second
    assert bound[position:] == after


NUMBERS = st.integers(1 - 10**MAX_PRECISION, 10**MAX_PRECISION - 1) | st.floats()


@given(NUMBERS, NUMBERS)
def test_no_number_begins_a_comment(first: float, second: float) -> None:
    bound = bind("SELECT 1 -%s -%s", [first, second])
    assert "--" not in bound


@given(st.text("'\"`\\-/*%();srRxi \n+a", max_size=30))
def test_no_statement_is_changed_but_for_its_placeholders(statement: str) -> None:
    """A mapping without the statement's names: it is refused, or only doubled percent signs are changed."""
    try:
        bound = bind(statement, {"unused": 1})
    except InvalidArgumentError:
        return
    assert bound.replace("%", "") == statement.replace("%", "")


def test_a_large_literal_is_read_in_one_go() -> None:
    text = "ab\\'" * 500_000
    assert bind(f"a = '{text}' AND b = %s", [1]).endswith("AND b = 1")


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
