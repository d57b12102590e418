import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import LogLine
from airflow_provider_wherobots.logs.causes import (
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_TAIL_CHARS,
    UNMARKED_LINES,
    LastErrors,
    LogTail,
)


def explain(*lines: str) -> str:
    tail, errors = LogTail(), LastErrors()
    for line in lines:
        tail.add([LogLine("1", line)])
        errors.add([LogLine("1", line)])
    return tail.explain(errors.last)


def test_without_a_mark_the_last_fifteen_lines_explain() -> None:
    lines = [f"line {n}" for n in range(40)]
    assert explain(*lines).splitlines() == lines[-UNMARKED_LINES:]
    assert UNMARKED_LINES == 15


@pytest.mark.parametrize(
    "chain",
    [
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ],
)
def test_a_traceback_begins_with_that_of_its_cause(chain: str) -> None:
    mark = "Traceback (most recent call last):"
    last = [mark, "KeyError: 'a'", "", chain, "", mark, "ValueError: b", "", chain, "", mark, "OSError: c"]
    assert explain(mark, "TypeError: other", "noise", *last).splitlines() == last
    # The cause has scrolled away.
    assert explain("x", *["noise"] * MAX_LINES, *last[3:]).splitlines() == last[5:]


def test_a_chain_that_does_not_stand_right_before_a_traceback_is_not_its_own() -> None:
    mark, chain = "Traceback (most recent call last):", "The above exception was the direct cause of"
    assert explain(mark, "KeyError: 'a'", chain, "noise", "noise", mark, "ValueError: b") == f"{mark}\nValueError: b"


def test_of_long_lines_the_end_is_kept() -> None:
    assert explain(*["x" * 499] * 15, "end") == "…" + ("\n".join(["x" * 499] * 8) + "\nend")[-MAX_TAIL_CHARS:]
    lines = ["x" * 500, *["x" * 499] * 7]
    assert explain(*lines) == "\n".join(lines)


# From Spark 4.1, shortened.
ENDED = [
    'Exception in thread "main" org.apache.spark.sql.AnalysisException: [PATH_NOT_FOUND] Path does not exist: file:/x'
]
FRAMES = [
    "\tat org.apache.spark.sql.catalyst.plans.logical.AnalysisHelper.resolveOperatorsUp(AnalysisHelper.scala:112)"
]
SUPPRESSED = [
    "\tSuppressed: org.apache.spark.util.Utils$OriginalTryStackTraceException: Full stacktrace",
    *["\t\tat org.apache.spark.sql.execution.QueryExecution.$anonfun$lazyAnalyzed$1(QueryExecution.scala:139)"] * 60,
    "\t\t... 27 more",
]
SHUTDOWN = [
    f"26/11/29 17:15:51 INFO SparkContext: Successfully stopped SparkContext (Uptime: {n} ms)" for n in range(9)
]
CAUSED = ["Caused by: java.io.IOException: Mkdirs failed to create file:/proc/nope/_temporary/0 (exists=false)"]


@pytest.mark.parametrize("trace", [FRAMES * 52, [*FRAMES * 86, *SUPPRESSED]])
@pytest.mark.parametrize("head", [ENDED, [*ENDED, *FRAMES, *CAUSED]])
def test_an_exception_with_a_long_trace_stands_before_the_tail(trace: list[str], head: list[str]) -> None:
    lines = ["started", *head, *trace, *SHUTDOWN]
    assert explain(*lines).splitlines() == [head[-1], "…", *lines[-UNMARKED_LINES:]]


def test_without_a_mark_the_lines_begin_at_the_exception() -> None:
    lines = [*ENDED, *FRAMES * 13, *SHUTDOWN]
    assert explain("started", *lines).splitlines() == lines
    lines = [*["noise"] * 20, "ValueError: the result is too long", *SHUTDOWN]
    assert explain(*lines).splitlines() == lines[-UNMARKED_LINES:]


def test_the_first_line_stays_if_lines_are_left_out() -> None:
    lines = [*CAUSED, *FRAMES * 32, *SHUTDOWN * 2]
    text = explain("noise", *lines)
    assert text.startswith(f"{CAUSED[0]}\n…\n")
    assert text.endswith("\n".join(lines[-20:]))
    assert len(text) == MAX_TAIL_CHARS + 1


@given(st.lists(st.text(st.characters(), max_size=20)))
def test_an_explanation_can_be_stored_and_sent(lines: list[str]) -> None:
    text = explain("\x1b[31mred\x1b[0m", "a\x00b", "\ud800", *lines)
    text.encode()
    # A database may refuse the one, a terminal obey the other.
    assert not {"\x00", "\x1b"} & set(text)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=20)
        | st.integers(0, 2_000).map("x".__mul__),
        max_size=100,
    )
)
def test_an_explanation_is_bounded_and_ends_with_the_last_line(lines: list[str]) -> None:
    text = explain(*lines)
    assert len(text) <= MAX_TAIL_CHARS + 1
    if lines:
        assert text.endswith(lines[-1][:MAX_LINE_CHARS] + ("…" if len(lines[-1]) > MAX_LINE_CHARS else ""))


def test_a_long_line_is_cut() -> None:
    assert explain("x" * 10_000) == "x" * MAX_LINE_CHARS + "…"
    assert explain("x" * MAX_LINE_CHARS) == "x" * MAX_LINE_CHARS
