"""Values as literals, as quoted names and as rows: what Spark reads back is the value, whatever it holds."""

import math
import re
import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql import values as module
from airflow_provider_wherobots.sql.values import identifier, insert_statements, literal
from tests.unit.sql.spark_literals import VARIABLE, read_literal, read_name

HOSTILE = [
    "O'Brien",
    "x\\' OR 1=1 -- ",
    "x' OR 1=1 -- ",
    "''",
    "\\",
    "\\\\'",
    "a\nb\r\tc",
    "\x000",
    "\x00123",
    "\x1a\b\x7f",
    "100\\%",
    "a\\_b",
    "\\u0041",
    "\\U00000041",
    "\\101",
    "${env:HOME}",
    "${spark.secret}",
    "$${a}",
    "%(x)s %s %%",
    '"double"',
    "`back`",
    "/* -- */",
    "Zürich 🌍 東京",
    "POINT (1 2)",
    "",
]
TEXTS = st.text() | st.text("'\\\"nrtbuU0123${}%_xa\x00\n")


def hostile_texts(test: Callable[[str], None]) -> Callable[[str], None]:
    """Try each hostile text in each run, and drawn ones."""
    wrapped: Callable[[str], None] = given(TEXTS)(test)
    for text in HOSTILE:
        wrapped = example(text)(wrapped)
    return wrapped


class Country(str, Enum):  # noqa: UP042 - such as the official provider's
    SWITZERLAND = "CH"


class NotATime(datetime):
    """Like pandas' NaT."""

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


class LocalTime(datetime):
    """A datetime that is written in another way, such as pendulum's or pandas'."""

    def isoformat(self, *_: Any, **__: Any) -> str:
        return "otherwise"


@hostile_texts
def test_spark_reads_the_text_back(text: str) -> None:
    written = literal("x", text)
    assert read_literal(written) == (text, len(written))


@hostile_texts
def test_no_text_names_a_setting_or_variable_of_the_session(text: str) -> None:
    assert not VARIABLE.search(literal("x", text))


@hostile_texts
def test_a_literal_has_no_control_characters_and_is_one_line(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f]", literal("x", text))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (0, "0"),
        (-5, "-5"),
        (10**20, "100000000000000000000"),
        (0.1, "0.1E0"),
        (-2.0, "-2.0E0"),
        (1e-7, "1e-07"),
        (1e300, "1e+300"),
        (math.nan, "CAST('NaN' AS DOUBLE)"),
        (math.inf, "CAST('Infinity' AS DOUBLE)"),
        (-math.inf, "CAST('-Infinity' AS DOUBLE)"),
        (Decimal("12.50"), "CAST('12.50' AS DECIMAL(4, 2))"),
        (Decimal("-0.001"), "CAST('-0.001' AS DECIMAL(3, 3))"),
        (Decimal("1E+3"), "CAST('1000' AS DECIMAL(4, 0))"),
        (Decimal("9" * 38), f"CAST('{'9' * 38}' AS DECIMAL(38, 0))"),
        (Decimal("0"), "CAST('0' AS DECIMAL(1, 0))"),
        (b"", "X''"),
        (b"\x00'\xff", "X'0027FF'"),
        (bytearray(b"a"), "X'61'"),
        (memoryview(b"a"), "X'61'"),
        (date(2026, 1, 2), "DATE '2026-01-02'"),
        (date(1, 1, 1), "DATE '0001-01-01'"),
        (LocalTime(2026, 1, 2, 3, 4, 5), "TIMESTAMP '2026-01-02 03:04:05'"),
        (datetime(2026, 1, 2, 3, 4, 5), "TIMESTAMP '2026-01-02 03:04:05'"),
        (datetime(2026, 1, 2, 3, 4, 5, 60), "TIMESTAMP '2026-01-02 03:04:05.000060'"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "TIMESTAMP '2026-01-02 03:04:00+00:00'"),
        (
            datetime(2026, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=1, minutes=0, seconds=30))),
            "TIMESTAMP '2026-01-01 23:29:30+00:00'",
        ),
        (Country.SWITZERLAND, "'CH'"),
        ([1, "a'b", None], "(1, 'a\\'b', NULL)"),
        ((date(2026, 1, 2),), "(DATE '2026-01-02')"),
        (numpy.int64(-5), "-5"),
        (numpy.uint8(5), "5"),
        (numpy.bool_(True), "TRUE"),
        (numpy.float32(0.5), "0.5E0"),
        (numpy.float64(0.5), "0.5E0"),
        (numpy.str_("a'b"), "'a\\'b'"),
        ([numpy.int64(5), None], "(5, NULL)"),
        (10**38 - 1, "9" * 38),
    ],
)
def test_the_literal_of_each_type(value: Any, written: str) -> None:
    assert literal("x", value) == written


def test_a_moment_is_written_in_utc_wherever_the_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        clock.tzset()
        written = literal("x", datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))))
    clock.tzset()
    assert written == "TIMESTAMP '2026-01-02 02:00:00+00:00'"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_a_double_with_the_same_value(value: float) -> None:
    written = literal("x", value)
    assert re.fullmatch(r"-?\d+(\.\d+)?[eE][+-]?\d+", written)
    assert float(written) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=6))
def test_a_decimal_keeps_its_digits(value: Decimal) -> None:
    found = re.fullmatch(r"CAST\('(-?[\d.]+)' AS DECIMAL\((\d+), (\d+)\)\)", literal("x", value))
    assert found
    assert Decimal(found[1]) == value
    assert int(found[3]) <= int(found[2])
    assert abs(value) < 10 ** (int(found[2]) - int(found[3]))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": 1}, "is of type dict, but must be a string"),
        ({1, 2}, "is of type set"),
        (time(1, 2), "is of type time"),
        (timedelta(1), "is of type timedelta"),
        (UUID(int=1), "is of type UUID"),
        (object(), "is of type object"),
        ([], "is an empty list"),
        ((), "is an empty list"),
        (Decimal("NaN"), "is the Decimal NaN"),
        (Decimal("-Infinity"), "is the Decimal -Infinity"),
        (10**38, "has more than 38 digits"),
        pytest.param(-(10**5000), "has more than 38 digits", id="huge"),
        (SimpleNamespace(dtype=numpy.dtype(int)), "is of type SimpleNamespace"),
        (numpy.array([1, 2]), "is of type ndarray"),
        (numpy.datetime64("2026-01-02"), "is of type datetime64"),
        (Decimal("1E+40"), "has 41 digits, but a DECIMAL has 38 at most"),
        (NotATime(2026, 1, 1), "is NaT; pass None for NULL"),
        ("\ud800", "lone surrogate"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "outside of the years 1 to 9999"),
    ],
)
def test_what_has_no_literal_is_refused_by_name(value: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(says)) as caught:
        literal("parameters['x']", value)
    assert str(caught.value).startswith("parameters['x']: ")


def test_an_item_of_a_list_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape("x[1]: is of type list")):
        literal("x", [1, [2]])


def test_an_error_does_not_show_the_value() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        literal("x", {"password": "secret"})
    assert "secret" not in str(caught.value)


NAMES = st.text("ab.`'\" -;$%/*\\ü東", min_size=1).filter(str.strip)


class Catalog(str, Enum):  # noqa: UP042 - such as the official provider's
    ORG = "org_catalog"


@given(NAMES)
def test_spark_reads_the_name_back(name: str) -> None:
    written = identifier("x", name)
    assert read_name(written) == (name, len(written))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_list_is_one_name_of_several_parts(parts: list[str]) -> None:
    written = identifier("x", parts)
    read, position = [], 0
    while position < len(written):
        name, position = read_name(written, position)
        read.append(name)
        assert written[position : position + 1] in ("", ".")
        position += 1
    assert read == parts


@pytest.mark.parametrize(
    ("value", "written"),
    [("org.hail", "`org.hail`"), (["org", "hail"], "`org`.`hail`"), (Catalog.ORG, "`org_catalog`")],
)
def test_names(value: Any, written: str) -> None:
    assert identifier("x", value) == written


@pytest.mark.parametrize(
    "value", [None, 1, b"a", {"a"}, {"a": 1}, "", "  ", [], [1], [""], "a\nb", "a\x00", "${env:HOME}"]
)
def test_what_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape("parameters['x']")):
        identifier("parameters['x']", value)


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
