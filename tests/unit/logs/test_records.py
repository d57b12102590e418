import logging
import re
from collections.abc import Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Line, LogLine
from airflow_provider_wherobots.logs import records as records_module
from airflow_provider_wherobots.logs.records import (
    MAX_RECORD_CHARS,
    LogRecord,
    RecordReader,
    find_level,
    read_time_ns,
)
from airflow_provider_wherobots.words import make_plain, make_safe

D, I, W, E, C = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL  # noqa: E741 - a table
TIME = "1721548800123456789"


def read_all(reader: RecordReader, lines: Iterable[Line]) -> list[LogRecord]:
    return list(chain.from_iterable(reader.steps(lines)))


def read_one(reader: RecordReader, line: Line) -> list[LogRecord]:
    """Without the short cut for usual lines."""
    return list(reader._read_in_steps(line))


def read(*lines: str, timestamp: str | int = TIME) -> list[LogRecord]:
    return read_all(RecordReader(), [LogLine(timestamp, line) for line in lines])


def levels(*lines: str) -> list[int]:
    return [record.level for record in read(*lines)]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        # log4j as Spark has it
        ("24/09/25 18:23:01 INFO SparkContext: Running Spark version 3.5.1", I),
        ("24/09/25 18:23:01 WARN TaskSetManager: Lost task 0.0", W),
        ("24/09/25 18:23:01 ERROR Executor: Exception in task 0.0 in stage 1.0 (TID 1)", E),
        ("24/09/25 18:23:01 FATAL Main: gone", C),
        ("24/09/25 18:23:01 DEBUG Main: x", D),
        ("24/09/25 18:23:01 TRACE Main: x", D),
        # log4j2 and logback
        ("2024-09-25 18:23:01,538 [main] ERROR org.example.Main - broken", E),
        ("18:23:01.538 [main] WARN  org.example.Main - careful", W),
        ("2024-09-25T18:23:01.538Z  INFO 1 --- [main] o.e.Main : started", I),
        # Python logging
        ("WARNING:root:careful", W),
        ("ERROR:__main__:broken", E),
        ("2024-09-25 18:23:01,538 - job - CRITICAL - gone", C),
        ("[2024-09-25 18:23:01,538] {job.py:12} WARNING - careful", W),
        ("[WARNING] careful", W),
        ("<ERROR> broken", E),
        ("\x1b[31mERROR\x1b[0m broken", E),
        ("\x1b[1;33m18:23:01 | WARNING\x1b[0m | careful", W),
        ("SEVERE: broken", E),
        # none
        ("plain output", I),
        ("", I),
    ],
)
def test_the_level_is_read_off_the_head_of_a_line(line: str, level: int) -> None:
    assert levels(line) == [level]


@pytest.mark.parametrize(
    "line",
    [
        "there was an ERROR in the input",
        "no WARNING here",
        "ERRORS: 0",
        "INFORMATION",
        "org.example.ERROR.Handler started",
        "s3://bucket/ERROR/part-0 written",
        "log-ERROR-file",
        "error: lower case is a word",
        f"18:23:01 {'x' * 200} ERROR too far from the head",
    ],
)
def test_a_levels_word_in_a_sentence_is_no_level(line: str) -> None:
    assert levels(line) == [I]
    assert find_level(line[:120]) is None


def test_a_python_traceback_has_one_level_up_to_the_line_that_names_the_exception() -> None:
    assert levels(
        "before",
        "Traceback (most recent call last):",
        '  File "job.py", line 3, in <module>',
        "    main()",
        "    ^^^^^^",
        "org.example.Oddly named thing: no usual name",
        "after",
    ) == [I, E, E, E, E, E, I]


def test_a_logged_line_ends_a_traceback() -> None:
    assert levels("Traceback (most recent call last):", "18:23:01 WARN Main: careful", "after") == [E, W, I]


def test_a_chained_traceback_is_one() -> None:
    assert levels(
        "Traceback (most recent call last):",
        '  File "job.py", line 3, in <module>',
        "KeyError: 'a'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "job.py", line 5, in <module>',
        "ValueError: b",
        "after",
    ) == [E] * 9 + [I]


def test_a_java_stack_trace_has_the_level_of_the_line_it_belongs_to() -> None:
    assert levels(
        "24/09/25 18:23:01 WARN TaskSetManager: Lost task 0.0 in stage 1.0",
        "java.lang.IllegalStateException: broken",
        "\tat org.example.Main.run(Main.java:12)",
        "\tat org.example.Main.main(Main.java:5)",
        "Caused by: java.io.IOException: no such file",
        "\t... 12 more",
        "Suppressed: java.io.IOException: closing",
        "24/09/25 18:23:02 INFO SparkContext: stopped",
    ) == [W] * 7 + [I]


def test_a_java_stack_trace_that_belongs_to_nothing_is_an_error() -> None:
    assert levels(
        "starting",
        'Exception in thread "main" java.lang.NullPointerException',
        "\tat org.example.Main.main(Main.java:5)",
        "done",
    ) == [I, E, E, I]
    assert levels(
        "24/09/25 18:23:01 INFO Main: about to fail",
        "org.apache.spark.SparkException: Job aborted",
        "\tat org.example.Main.main(Main.java:5)",
        "Caused by: java.io.IOException",
    ) == [I, E, E, E]


def test_a_traceback_after_a_debug_line_is_an_error() -> None:
    assert levels("18:23:01 DEBUG Main: x", "Traceback (most recent call last)", "ValueError: x") == [D, E, E]


def test_a_cause_without_its_exception_is_an_error() -> None:
    assert levels("Caused by: java.io.IOException: no such file", "\tat x") == [logging.ERROR, logging.ERROR]


def test_an_exception_group_is_a_traceback() -> None:
    assert levels(
        "24/09/25 18:23:01 INFO Main: about to fail",
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "job.py", line 3, in <module>',
        "  | ExceptionGroup: two (2 sub-exceptions)",
        "  +-+---------------- 1 ----------------",
        "    | ValueError: bust",
        "    +------------------------------------",
        "after",
    ) == [I, E, E, E, E, E, E, I]


def test_what_py4j_adds_to_a_traceback_is_part_of_it() -> None:
    assert levels(
        "Traceback (most recent call last):",
        '  File "job.py", line 3, in <module>',
        "py4j.protocol.Py4JJavaError: An error occurred while calling o45.count.",
        ": org.apache.spark.SparkException: Job aborted due to stage failure",
        "\tat org.example.Main.main(Main.java:5)",
        "Driver stacktrace:",
        "\tat org.example.Main.main(Main.java:5)",
        "Caused by: java.io.IOException",
        "\t... 12 more",
        "",
        "after",
    ) == [E] * 10 + [I]


def test_a_traceback_has_the_level_of_a_warning_before_it() -> None:
    warning = "24/09/25 18:23:01 WARN Main: careful"
    assert levels(warning, "Traceback (most recent call last):", "  File x", "Boom: bust", "after") == [W] * 4 + [I]
    java = ['Exception in thread "main" java.lang.NullPointerException', "\tat org.example.Main.main(Main.java:5)"]
    assert levels(warning, *java, "24/09/25 18:23:05 INFO SparkUI: Stopped") == [W] * 3 + [I]


def test_an_indented_line_after_a_plain_one_is_plain() -> None:
    assert levels("table:", "  a  b", "\t1\t2") == [I, I, I]


def test_equal_lines_of_the_usual_form_are_counted_too() -> None:
    same, other = "26/11/28 08:00:00 WARN a: b", "26/11/28 08:00:00 ERROR a: c"
    assert read(same, same, other, same) == [
        LogRecord(int(TIME), W, same, 0),
        LogRecord(int(TIME), W, same, 1),
        LogRecord(int(TIME), E, other, 0),
        LogRecord(int(TIME), W, same, 0),
    ]


def test_equal_lines_without_a_time_are_counted_too() -> None:
    assert [record.repeats for record in read("a", "a", "b", timestamp="soon")] == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ünïcode 🌍", "plain ünïcode 🌍"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b[31mred\x1b[0m stays", "\x1b[31mred\x1b[0m stays"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("50%\r100%", "50%\\x0d100%"),
        ("nul\x00", "nul\\x00"),
        ("back\x08space", "back\\x08space"),
        ("del\x7f", "del\\x7f"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("next\x85line", "next\\x85line"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("trojan \u202egnp.exe", "trojan \\u202egnp.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("half \ud83d pair", "half \\ud83d pair"),
        ("\x1b[1m\x00\x1b[0m\x01", "\x1b[1m\\x00\x1b[0m\\x01"),
        ("::group::Install", "\\x3a:group::Install"),
        ("in CI, :::endgroup::\x07", "in CI, :\\x3a:endgroup::\\x07"),
        ("::group::group::", "\\x3a:group\\x3a:group::"),
        ("::group] ##[]group] ##[]endgroup::", "\\x3a:group] \\x23#[]group] \\x23#[]endgroup::"),
        ("ns::group::x std::group_by() [group] a:group::", "ns\\x3a:group::x std::group_by() [group] a:group::"),
    ],
)
def test_what_could_forge_or_hide_a_line_is_made_visible(text: str, safe: str) -> None:
    assert make_safe(text) == safe


def test_no_group_marker_is_forwarded() -> None:
    usual = "26/11/28 08:00:00 INFO Job: ::group::x"
    assert read(usual)[0].text == r"26/11/28 08:00:00 INFO Job: \x3a:group::x"
    for before in range(MAX_RECORD_CHARS - 12, MAX_RECORD_CHARS):
        # The parts of the line are not the parts that are read.
        assert not [r for r in read("\0" + "x" * before + "::endgroup::" + "x" * 100) if "::endgroup::" in r.text]
    assert make_plain("::gr\x1b[0moup::") == r"\x3a:group::"


@given(st.text(st.characters(), max_size=60) | st.text("\x1b[0123;m\x00\r\n\ud800a", max_size=40))
def test_every_text_is_safe_afterwards_and_stays_so(text: str) -> None:
    texts = [record.text for record in read(text)]
    for safe in texts:
        safe.encode("utf-8")
        assert len(safe.splitlines()) <= 1
        assert make_safe(safe) == safe
    assert len(texts) >= 1


@pytest.mark.parametrize(
    ("timestamp", "time_ns"),
    [
        # A clock that was never set.
        ("0001-01-01T00:00:00Z", None),
        ("1721548800123456789", 1721548800123456789),
        (1721548800123456789, 1721548800123456789),
        ("1721548800123456", 1721548800123456000),
        (1721548800123, 1721548800123000000),
        ("1721548800", 1721548800000000000),
        ("2024-07-21T08:00:00.123456Z", 1721548800123456000),
        ("2024-07-21T10:00:00+02:00", 1721548800000000000),
        ("2024-07-21T08:00:00", 1721548800000000000),
        ("0", None),
        (0, None),
        ("-5", None),
        ("9" * 21, None),
        ("soon", None),
        ("", None),
        ("nan", None),
    ],
)
def test_the_unit_of_a_time_is_told_by_its_magnitude(timestamp: str | int, time_ns: int | None) -> None:
    assert read_time_ns(timestamp) == time_ns


def test_equal_records_of_one_millisecond_are_counted() -> None:
    reader = RecordReader()
    lines = [("1721548800123000001", "tick")] * 2 + [("1721548800123999999", "tick")]
    lines += [("1721548800123999999", "tock"), ("1721548800123999999", "tick"), ("1721548800124000000", "tick")]
    records = [record for timestamp, text in lines for record in read_one(reader, LogLine(timestamp, text))]
    assert [record.repeats for record in records] == [0, 1, 2, 0, 0, 0]


HEADS = ("26/01/01 00:00:05 ", "2026-01-01T00:00:05.123 ", "00:00 ", "12:00:00,5  ", "", "at ", "\x1b[31m")
WORDS = ("INFO", "WARN", "ERROR", "INFORMATION", "INFO.x", "Traceback (most recent call last):", "ValueError: x")
BODIES = ("", " Task: done", " ::group::", " a\nb", " é", " \x00", " " * 130 + "ERROR", " " + "x" * MAX_RECORD_CHARS)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(HEADS), st.sampled_from(WORDS), st.sampled_from(BODIES)),
        max_size=30,
    )
)
def test_many_lines_become_the_same_records_as_one_by_one(parts: list[tuple[int, str, str, str]]) -> None:
    lines = [LogLine(str(int(TIME) + time * 10**6), head + word + body) for time, head, word, body in parts]
    one_by_one, at_once = RecordReader(), RecordReader()
    records = [record for line in lines for record in read_one(one_by_one, line)]
    assert read_all(at_once, lines) == records


RAW = st.text("ab \r\n\x1b[0;3m\u2028\ud800é1", max_size=60)
COLOURED = st.lists(st.sampled_from(["\x1b[31m", "\x1b[", "0;1", "m", "abc", "\r", "\r\n", "\n", "é"]), max_size=30)


@given(RAW | COLOURED.map("".join))
def test_a_line_read_in_small_steps_is_the_same_as_one_read_at_once(raw: str) -> None:
    whole = re.split(r"\r?\n", raw.removesuffix("\n").removesuffix("\r")) if "\n" in raw else [raw]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_module, "MAX_RECORD_CHARS", 5)
        found = read(raw)
    safe = [make_safe(text) for text in whole]
    assert [record.text for record in found] == [
        text[start : start + 5] for text in safe for start in range(0, max(1, len(text)), 5)
    ]


def test_no_step_reads_much_of_a_line_without_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two steps the event loop may turn to other tasks."""
    work = 0

    def counting(text: str) -> str:
        nonlocal work
        work += len(text)
        return make_safe(text)

    reader, steps = RecordReader(), 0
    monkeypatch.setattr(records_module, "make_safe", counting)
    for records in reader.steps([LogLine(TIME, " 99%|███ \x1b[31m 99/100 \x1b[0m\r" * 20_000)]):
        assert work <= MAX_RECORD_CHARS + 10
        assert len(records) <= 1
        work, steps = 0, steps + 1
    assert steps > 50


def test_no_colour_of_a_very_long_line_is_cut_in_two() -> None:
    line = "\x1b[31m" + "x" * (MAX_RECORD_CHARS - 7) + "\x1b[0m" + "y" * MAX_RECORD_CHARS
    assert "".join(record.text for record in read(line)) == line
