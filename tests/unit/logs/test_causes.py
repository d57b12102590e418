"""Causes of failures: what real failures are recognized as, and the end of the log that is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import LogLine
from airflow_provider_wherobots.logs.causes import (
    CAUSES,
    MAX_ERROR_CHARS,
    MAX_ERRORS,
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_LINES_AFTER,
    MAX_TAIL_CHARS,
    UNMARKED_LINES,
    LastErrors,
    LogTail,
    cause_in,
)
from airflow_provider_wherobots.words import MAX_CHARS, make_safe
from tests.unit.flows.fake_log import T0

RECORDED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "failures.json").read_text())
"""Logs and reasons of failed runs. ``source`` is where each comes from; stack frames are left out."""
NAMES = [cause.name for cause in CAUSES]
CHAIN = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"
TRACEBACK = "Traceback (most recent call last):"
OUT_OF_MEMORY = "java.lang.OutOfMemoryError: Java heap space"


def sentence(*lines: str, reason: str = "") -> str:
    errors = LastErrors()
    # The lines of several slices, as a log is read.
    for start in range(0, len(lines), 200):
        errors.add([LogLine(str(T0), line) for line in lines[start : start + 200]])
    return str(errors.probable_cause(reason) or "")


def cause(*lines: str, reason: str = "") -> str | None:
    """The name of the one cause that the sentence names."""
    found = sentence(*lines, reason=reason)
    if not found:
        return None
    (name,) = [name for name in NAMES if found.startswith(f"Probable cause: {name} (")]
    return name


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_failure_has_its_cause_by_its_log_and_by_its_reason(name: str) -> None:
    recorded = RECORDED[name]
    assert cause(*recorded["log"]) == recorded["cause"]
    assert cause(*recorded["log"], reason=recorded.get("reason", "")) == recorded["cause"]


def test_every_cause_and_failures_without_one_were_recorded() -> None:
    assert {recorded["cause"] for recorded in RECORDED.values()} == {*NAMES, None}


def test_the_sentence_shows_what_was_seen_and_what_to_do() -> None:
    assert sentence(TRACEBACK, "ModuleNotFoundError: No module named 'shapelyy'") == (
        "Probable cause: missing package (ModuleNotFoundError: No module named 'shapelyy'). Add the package, wheel or "
        "JAR that has it to dependencies in environment, or correct its name or version"
    )


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("The process was ended by signal 9 (SIGKILL): reading", "perhaps out of memory"),
        ("driver container failed with ExitCode: 137, Reason: OOMKilled", "out of memory"),
        ("The process exited with code 137: step 3", "perhaps out of memory"),
        ("exit code 137", "perhaps out of memory"),
        ("The process exited with code 1: ERROR: No matching distribution found for shapelyy==9", "missing package"),
        ("RUN_FAIL_EXEC: java.lang.IllegalStateException: x\n\tat a.B\nCaused by: " + OUT_OF_MEMORY, "out of memory"),
        ("Driver exited with code 1", None),
        ("The process was ended by signal 15 (SIGTERM)", None),
        ("exit code 1370", None),
        ("The process exited with code 1: ValueError: the process was ended by SIGKILL, exit code 137", None),
        ("The process exited with code 1: ValueError: MemoryError: none", None),
        ("no quota for MemoryErrors", None),
        ("retry after MemoryError was handled; then ValueError: x", "perhaps out of memory"),
        ("", None),
    ],
)
def test_a_reason_alone_shows_a_cause(reason: str, name: str | None) -> None:
    assert cause(reason=reason) == name


def test_an_executor_that_spark_has_replaced_is_not_certain() -> None:
    assert cause("The executor with id 3 exited with exit code 137", "\t termination reason: OOMKilled") == (
        "perhaps out of memory"
    )


def test_a_log_can_make_certain_what_the_reason_leaves_open() -> None:
    assert cause(TRACEBACK, "MemoryError", reason="exit code 137") == "out of memory"


@pytest.mark.parametrize(
    "line",
    [
        "java.lang.OutOfMemoryError: Metaspace",
        "java.lang.OutOfMemoryError: Requested array size exceeds VM limit",
        "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or limits reached",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "cudf.MemoryError: x",
    ],
)
def test_what_a_larger_runtime_may_not_mend_is_not_certain(line: str) -> None:
    assert cause(TRACEBACK, line) == "perhaps out of memory"


@pytest.mark.parametrize(
    "line",
    [
        "OutOfMemory is not a MemoryError here",
        "  MemoryError: indented, such as a part of a message",
        "INFO: caught MemoryError: continuing with less",
        "26/11/28 22:50:03 WARN TaskSetManager: Lost task 1.0: java.lang.OutOfMemoryError: Java heap space",
        "ValueError: MemoryError: x",
        "MemoryErrors: 3",
        "OSError: [Errno 2] No such file or directory: 'No space left on device'",
        "OSError: out of space",
        "java.io.IOException: the message 'No space left on device' was logged",
        "java.nio.file.AccessDeniedException: /etc/shadow",
        "PermissionError: [Errno 13] Permission denied: 'Access Denied'",
        "PermissionError: Access Denied to table x",
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the AssumeRole operation: no",
        "botocore.exceptions.ClientError: An error occurred (404) when calling the HeadObject operation: Not Found",
        "botocore.exceptions.ClientError: An error occurred (SlowDown) when calling the PutObject operation: 301",
        "OSError: When reading information for key 'k': AWS Error NETWORK_CONNECTION during HeadObject operation: 403",
        "ImportError: cannot import name 'x' from 'y'",
        "ModuleNotFoundError: No module named 'pyspark'",
        "ModuleNotFoundError: No module named 'sedona.spark'",
        "java.lang.ClassNotFoundException: org.apache.sedona.viz.Core",
        "java.lang.IllegalArgumentException: spark is not a colour",
        "java.lang.IllegalArgumentException: requirement failed: weights must be positive",
        "pyspark.errors.exceptions.captured.AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] spark.x",
        "org.apache.spark.SparkException: x must not be a positive number",
        "The executor with id 3 exited with exit code 1(generic, look at logs to clarify).",
        "The executor with id 3 exited with exit code 1370",
        "the executor with id 3 exited with exit code 137",
    ],
)
def test_a_near_miss_has_no_cause(line: str) -> None:
    assert sentence(TRACEBACK, '  File "job.py", line 3, in <module>', line) == ""


def test_only_the_exception_that_ended_the_program_counts() -> None:
    assert cause("MemoryError", TRACEBACK, "ValueError: b") is None
    assert cause(TRACEBACK, "MemoryError", "", CONTEXT, "", TRACEBACK, "ValueError: b") is None
    assert cause("ValueError: a", TRACEBACK, "MemoryError") == "out of memory"


def test_the_causes_that_an_exception_names_count() -> None:
    links = ["", CHAIN, "", TRACEBACK]
    assert cause(TRACEBACK, "MemoryError", *links, "ValueError: b") == "out of memory"
    assert cause(TRACEBACK, "MemoryError", *links, "ValueError: b", *links, "KeyError: 'c'") == "out of memory"
    assert cause("MemoryError", TRACEBACK, "KeyError: 'a'", *links, "ValueError: b") is None
    trace = ["java.lang.IllegalStateException: a", "\tat x", f"Caused by: {OUT_OF_MEMORY}", "\tat y"]
    assert cause(*trace, "Caused by: java.io.EOFException", "\tat z", "\t... 3 more") == "out of memory"
    assert cause(OUT_OF_MEMORY, "java.lang.IllegalStateException: a", "Caused by: java.io.EOFException") is None


@pytest.mark.parametrize("frame", ["\tat x", "\t\tat x"])
def test_a_long_stack_trace_does_not_hide_its_exception(frame: str) -> None:
    assert cause("java.nio.file.AccessDeniedException: s3a://b/k", *[frame] * 300, "bye") == "no permission on S3"
    assert cause("MemoryError", *[frame] * 300, *["row"] * (MAX_LINES_AFTER + 1)) is None


@pytest.mark.parametrize("before", [0, 150, 199])
def test_an_exception_long_before_the_end_was_handled(before: int) -> None:
    lines = ["ready"] * before
    assert cause(*lines, "MemoryError", *["row"] * (MAX_LINES_AFTER + 1)) is None
    assert cause(*lines, "MemoryError", *["row"] * 20_000, reason="the node was preempted") is None
    assert cause(*lines, "MemoryError", *["row"] * MAX_LINES_AFTER) == "out of memory"


def test_the_query_of_a_presigned_url_is_not_shown() -> None:
    denied = "java.nio.file.AccessDeniedException: s3a://b/k?X-Amz-Signature=abc&token=SECRET: getFileStatus"
    found = sentence(TRACEBACK, denied)
    assert "s3a://b/k?…" in found
    assert "abc" not in found
    assert "SECRET" not in found


def test_if_the_jvm_has_ended_the_exception_before_counts() -> None:
    gone = [TRACEBACK, "py4j.protocol.Py4JNetworkError: Answer from Java side is empty", "", CONTEXT, "", TRACEBACK]
    lost = ["ConnectionResetError: [Errno 104] Connection reset by peer", "", CONTEXT, "", TRACEBACK]
    last = "py4j.protocol.Py4JNetworkError: Error while sending or receiving"
    assert cause(OUT_OF_MEMORY, *["\tat x"] * 300, *gone, *lost, last) == "out of memory"
    assert cause(OUT_OF_MEMORY, "ValueError: a", *gone, *lost, last) is None
    assert cause(last) is None
    java = "py4j.protocol.Py4JJavaError: An error occurred while calling o1.load."
    assert cause(OUT_OF_MEMORY, java, ": org.apache.spark.SparkException: Job 0 failed") is None


def test_an_engines_message_shows_a_cause_but_sql_in_it_does_not() -> None:
    lost = "Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure: Lost task 0.3 in"
    message = (
        f"org.apache.spark.SparkException: {lost} stage 1.0 (TID 3) (10.0.1.5 executor 2): {OUT_OF_MEMORY}\n\tat x"
    )
    assert str(cause_in(message)).startswith(f"Probable cause: out of memory ({OUT_OF_MEMORY}). ")
    assert cause_in(f"An error occurred while calling o1.sql.\n: {message}") == cause_in(message)
    assert cause_in("[PARSE_SYNTAX_ERROR] Syntax error at 'SIGKILL'. SELECT 'exit code 137, OOMKilled'") is None
    # A SQL task has no argument for either.
    assert cause_in("java.lang.ClassNotFoundException: org.example.Missing") is None
    assert cause_in("java.lang.IllegalArgumentException: spark.sql.shuffle.partitions should be int, but was x") is None
    assert cause_in("[TABLE_OR_VIEW_NOT_FOUND] The table `MemoryError` cannot be found") is None


def test_of_many_and_long_errors_the_last_are_kept() -> None:
    errors = LastErrors()
    errors.add([LogLine("1", f"ValueError: {n}" + "x" * 10_000) for n in range(1_000)])
    assert [len(line) for line in errors._lines] == [MAX_ERROR_CHARS] * MAX_ERRORS
    assert errors._lines[-1].startswith("ValueError: 999x")


ERRORS = st.sampled_from(
    [
        *(line for recorded in RECORDED.values() for line in recorded["log"]),
        *(
            CHAIN,
            CONTEXT,
            TRACEBACK,
            OUT_OF_MEMORY,
            "Error:",
            "Exception",
            "\x1b[31mMemoryError\x1b[0m",
            "\ud800Error: ",
        ),
    ]
)


@given(st.lists(st.text(max_size=50) | ERRORS, max_size=40), st.text() | ERRORS)
def test_whatever_is_logged_there_is_at_most_one_safe_short_line(lines: list[str], reason: str) -> None:
    for text in (sentence(*lines, reason=reason[:MAX_CHARS]), str(cause_in("\n".join(lines)) or "")):
        assert "\n" not in text
        assert make_safe(text) == text
        assert len(text) <= 500
        assert text == "" or text.startswith("Probable cause: ")


@pytest.mark.parametrize(
    "piece",
    [
        *("Error", "a.", "Error: ", "AWS Error ", "(Service: S3, ", "S3Exception: ", "Lost task ", "Caused by: "),
        *(
            " exited with exit code ",
            "is forbidden: ",
            "botocore.",
            "Error\n",
            "\n",
            "$",
            "x" * 100,
            "OSError: AWS Error ",
        ),
    ],
)
def test_a_hostile_log_takes_no_long_time(piece: str) -> None:
    # It takes milliseconds. A pattern that backtracks without limit would take hours, which pytest's timeout ends.
    line = piece * (100_000 // len(piece))
    sentence(*[line] * 20, reason=line[:MAX_CHARS])
    cause_in(line)


def test_a_long_exception_is_cut() -> None:
    said = sentence("java.lang.OutOfMemoryError: Java heap space" + "!" * 200)
    quoted = said[said.index("(") + 1 : said.index(")")]
    assert (quoted[:27], quoted[-2:], len(quoted)) == ("java.lang.OutOfMemoryError:", "!…", 151)


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
