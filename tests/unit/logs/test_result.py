"""The result that a script prints: which lines count, which values are stored, and which line wins."""

import json
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.logs.result import (
    MARKER,
    MAX_EXCERPT_CHARS,
    MAX_LEVELS,
    MAX_PARTITION_CHARS,
    MAX_RESULT_BYTES,
    PART_MARKER,
    REFUSED_MARKER,
    NoResultError,
    Refused,
    ResultReader,
    read_partitions,
    read_result,
)
from tests.unit.flows.fake_log import T0

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
# Airflow reserves some keys, and Hypothesis finds them in the code.
KEYS = TEXTS.filter(lambda key: not key.startswith("__"))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
RAWS = st.one_of(
    TEXTS,
    JSON_VALUES.map(lambda value: f"{MARKER} {json.dumps(value)}"),
    st.sampled_from([f"{MARKER} {{", f"{MARKER}NaN", f" {MARKER}", f"INFO {MARKER} 1", f"tick\n\t{MARKER}2\r\ntock"]),
)


def result_of(*lines: Line) -> ResultReader:
    reader = ResultReader()
    reader.add(lines)
    return reader


def in_order(*raws: str) -> list[Line]:
    return [(str(T0 + number), raw) for number, raw in enumerate(raws)]


def refusal(text: str) -> str:
    with pytest.raises(NoResultError) as caught:
        read_result(text)
    return str(caught.value)


@given(JSON_VALUES, st.booleans(), st.sampled_from(["", " ", "\t  "]))
def test_any_json_value_comes_back_as_it_was_printed(value: Any, ascii_only: bool, before: str) -> None:
    printed = f"{before}{MARKER} {json.dumps(value, ensure_ascii=ascii_only)}"
    text = result_of(("1", printed)).text
    assert text is not None
    # Compared as text: 1, 1.0 and True are equal in Python.
    assert json.dumps(read_result(text)) == json.dumps(value)


@given(st.lists(RAWS, max_size=30), st.lists(st.integers(1, 7), min_size=30, max_size=30))
def test_the_last_usable_line_wins_however_the_log_is_cut(raws: list[str], sizes: list[int]) -> None:
    expected = None
    for raw in raws:
        for line in raw.replace("\r\n", "\n").split("\n"):
            rest = line.lstrip()
            if rest.startswith(MARKER):
                try:
                    json.loads(rest.removeprefix(MARKER), parse_constant=lambda _: json.loads(""))
                except ValueError:
                    continue
                expected = rest.removeprefix(MARKER).strip()
    lines, paged = in_order(*raws), ResultReader()
    assert result_of(*lines).text == expected
    for size in sizes:
        paged.add(lines[:size])
        del lines[:size]
    assert paged.text == expected


@given(st.permutations(range(8)))
def test_lines_that_are_inserted_late_do_not_win(arrival: list[int]) -> None:
    lines = in_order(*(f"{MARKER} {number}" for number in range(8)))
    assert result_of(*(lines[place] for place in arrival)).text == "7"


def test_a_line_without_a_readable_time_counts_as_the_newest_and_so_does_the_one_after_it() -> None:
    first, second = (str(T0), f"{MARKER} 1"), ("soon", f"{MARKER} 2")
    assert result_of(first, second).text == "2"
    assert result_of(first, second, (str(T0), f"{MARKER} 3")).text == "3"
    assert result_of((str(T0), f"{MARKER} 1"), (str(T0), f"{MARKER} 2")).text == "2", "of equal times the later read"


def parts_of(text: str, *cuts: int) -> list[str]:
    """The lines in which a function's script prints a result that is cut into parts."""
    places = [0, *cuts, len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    check = f"{crc32(text.encode()):08x}"
    return [f"{PART_MARKER} {number}/{len(pieces)} {check} |{piece}|" for number, piece in enumerate(pieces, 1)]


@given(JSON_VALUES, st.lists(st.integers(0, 200), max_size=5), st.randoms())
def test_a_result_in_parts_comes_back_in_whatever_order_they_arrive(value: Any, cuts: list[int], random: Any) -> None:
    text = json.dumps(value)
    lines = in_order("before", *parts_of(text, *sorted(min(cut, len(text)) for cut in cuts)), "after")
    random.shuffle(lines)
    reader = ResultReader()
    for line in lines:
        reader.add([line])
    assert (reader.text, reader.refused) == (text, None)


def test_a_part_that_is_missing_torn_or_of_another_result_makes_no_result() -> None:
    whole, other = parts_of('["abcdef"]', 3, 6), parts_of('["ABCDEF"]', 3, 6)
    for lines in (
        whole[:2],
        [*whole[:2], whole[2][:-3]],
        [*whole[:2], f"INFO {whole[2]}"],
        [*whole[:2], other[2]],
        [*whole[:2], f"{PART_MARKER} 3/3"],
    ):
        reader = result_of(*in_order(*lines))
        assert (reader.text, reader.refused) == (None, None)
    torn = result_of(*in_order(*whole[:2], whole[2].replace("|ef", "|ex")))
    reason = "is a part of a result whose parts do not fit together"
    assert (torn.text, torn.refused) == (None, Refused(reason, whole[2].replace("|ef", "|ex")))


def test_of_a_result_in_parts_and_others_the_last_one_wins() -> None:
    first, second = parts_of('["abcdef"]', 3, 6), parts_of('["ABCDEF"]', 5)
    assert result_of(*in_order(*first, *second)).text == '["ABCDEF"]'
    assert result_of(*in_order(f"{MARKER} 1", *first)).text == '["abcdef"]'
    assert result_of(*in_order(*first, f"{MARKER} 1")).text == "1"
    assert result_of(*in_order(*first, *first)).text == '["abcdef"]'
    late = in_order(*first, f"{MARKER} 1")
    assert result_of(late[-1], *late[:-1]).text == "1"


@pytest.mark.parametrize(
    "raw",
    [
        f"INFO {MARKER} 1",
        f'print("{MARKER}", 1)',
        f"x{MARKER} 1",
        "airflow-result 1",
        "AIRFLOW-RESULT: 1",
        "airflow-results: 1",
    ],
)
def test_other_lines_do_not_count(raw: str) -> None:
    reader = result_of(("1", raw))
    assert (reader.text, reader.refused) == (None, None)


@pytest.mark.parametrize("before", ["INFO ", "2026-01-01 07:00:00 [main] ", "root:"])
def test_a_result_that_was_printed_through_logging_is_no_result_and_is_kept_for_the_message(before: str) -> None:
    reader = result_of(("1", f"{before}{MARKER} {{}}"))
    assert (reader.text, reader.refused, reader.logged) == (None, None, f"{before}{MARKER} {{}}")
    assert result_of(("1", f'    print("{MARKER}", {{}})')).logged == "", "the source of a line, as in a traceback"
    assert len(result_of(("1", f"{'-' * 300} {MARKER} 1")).logged) == MAX_EXCERPT_CHARS


@pytest.mark.parametrize(
    ("raw", "is_refused"),
    [
        (REFUSED_MARKER, True),
        (f"  {REFUSED_MARKER} ", True),
        (f"INFO {REFUSED_MARKER}", False),
        (f"{REFUSED_MARKER}: 1", False),
    ],
)
def test_a_script_says_in_a_line_of_its_own_that_it_refuses_a_value(raw: str, is_refused: bool) -> None:
    reader = result_of(("1", raw))
    assert reader.is_value_refused is is_refused
    assert (reader.text, reader.refused) == (None, None)


TOO_LARGE = "contains an integer of more than 64 bits; print it as a string"
LONE = "contains a lone surrogate, which is not valid Unicode"
RESERVED = "has a key that Airflow reserves: __classname__, __id__, or __type with __var"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON (Expecting value at character 1)"),
        ("{'a': 1}", "is not JSON (Expecting property name enclosed in double quotes at character 2)"),
        ('{"a": 1} {"b": 2}', "is not JSON (Extra data at character 10)"),
        ('{"a": 1', "is not JSON (Expecting ',' delimiter at character 8)"),
        ('"a\tb"', "is not JSON (Invalid control character at at character 3)"),
        ("[NaN]", "is not JSON (which has no NaN)"),
        ("-Infinity", "is not JSON (which has no -Infinity)"),
        ("[1e999]", "contains a number that is too large for a double"),
        (str(2**64), TOO_LARGE),
        (f"[{-(2**63) - 1}]", TOO_LARGE),
        ("9" * 5_000, TOO_LARGE),
        ('{"a": ["\\ud800"]}', LONE),
        ('{"a\\udc00": 1}', LONE),
        ('"\ud800"', LONE),
        ('{"a": "b\\u0000"}', "contains a NUL character, which PostgreSQL cannot store"),
        ('{"\\u0000": 1}', "contains a NUL character, which PostgreSQL cannot store"),
        ("[" * 65 + "]" * 65, f"is nested more than {MAX_LEVELS} levels deep"),
        ('{"a":' * 65 + "1" + "}" * 65, f"is nested more than {MAX_LEVELS} levels deep"),
        ("[" * 30_000 + "]" * 30_000, f"is nested more than {MAX_LEVELS} levels deep"),
        ('{"a": {"__classname__": "x"}}', RESERVED),
        ('[{"__type": "dict", "__var": {}}]', RESERVED),
        ('{"__id__": 1}', RESERVED),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert refusal(text) == reason
    reader = result_of(*in_order(f"{MARKER} 1", f"{MARKER} {text}"))
    assert reader.text == "1", "an earlier result stays"
    assert reader.refused == Refused(reason, f"{MARKER} {text}"[:MAX_EXCERPT_CHARS])


@pytest.mark.parametrize(
    "text",
    [
        str(2**64 - 1),
        str(-(2**63)),
        "[" * MAX_LEVELS + "]" * MAX_LEVELS,
        '{"a":' * MAX_LEVELS + "1" + "}" * MAX_LEVELS,
        '["__classname__", {"__type": 1}, {"__var": 2}]',
        '"\\ud83d\\ude00"',
        '"\\\\u0000"',
        "1e308",
    ],
)
def test_what_is_just_within_the_rules_is_taken(text: str) -> None:
    assert read_result(text) == json.loads(text)


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_the_size_is_counted_in_bytes_of_what_is_printed(letter: str) -> None:
    fitting = (MAX_RESULT_BYTES - 2) // len(letter.encode())
    assert read_result(f'"{letter * fitting}"') == letter * fitting
    too_many = f'"{letter * (fitting + 1)}"'
    assert refusal(too_many) == f"has {len(too_many.encode()):,} bytes of JSON, and the limit is 65,536"


def test_a_huge_line_is_not_kept() -> None:
    reader = result_of(("1", f"{MARKER} {'[' * 10_000_000}"))
    assert reader.refused is not None
    assert len(reader.refused.excerpt) == MAX_EXCERPT_CHARS


@pytest.mark.parametrize("result", [None, 3, "h3=85", ["h3=85"], {}, {"rows": 1}, {"partitions": None}])
def test_a_result_without_partitions_names_none(result: Any) -> None:
    assert read_partitions(result) == []


def test_each_partition_counts_once_in_the_order_of_the_result() -> None:
    longest = "ü" * MAX_PARTITION_CHARS
    assert read_partitions({"partitions": []}) == []
    assert read_partitions({"partitions": ["b", "a", " b", longest, "b"], "rows": 1}) == ["b", "a", " b", longest]


@pytest.mark.parametrize("named", ["h3=85", {"h3=85": 1}, 0, False])
def test_partitions_are_a_list(named: Any) -> None:
    with pytest.raises(ValueError, match=r"^partitions must be a list of strings$"):
        read_partitions({"partitions": named})


@pytest.mark.parametrize("key", ["", " \t", "x" * (MAX_PARTITION_CHARS + 1), 85, None, ["h3=85"]])
def test_a_partition_that_airflow_would_not_take_is_named_by_its_place(key: Any) -> None:
    rule = r"^partitions\[1\] must be a string of 1 to 250 characters, not only white space$"
    with pytest.raises(ValueError, match=rule):
        read_partitions({"partitions": ["h3=85", key]})


def test_parts_follow_the_rules_of_a_result() -> None:
    reader = result_of(*in_order(*parts_of("[NaN]", 2)))
    assert reader.text is None
    assert reader.refused is not None
    assert reader.refused.reason == "is not JSON (which has no NaN)"
