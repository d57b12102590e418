import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseTooLargeError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import LogLine, LogPage
from airflow_provider_wherobots.flows import forward_logs
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.forward_logs import (
    MIN_QUIET_SECONDS,
    SLICE_LINES,
    LogForwarder,
    print_log,
)
from airflow_provider_wherobots.io.base import Note
from airflow_provider_wherobots.logs.records import LogRecord, RecordReader
from tests.unit.flows.fake_log import T0, CaughtUp, CursorMode, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService
from tests.unit.flows.script import REST, START, Script, always, answers, texts


def log_of(*arrivals: float, cap: int = 1000) -> FakeLog:
    return FakeLog([FakeLine(arrives, T0 + n, f"line {n}") for n, arrives in enumerate(arrivals)], cap=cap)


def serve(log: FakeLog) -> tuple[FakeService, FakeRun, Script]:
    service = FakeService()
    run = service.add_run("some_name", START, log=log)
    return service, run, Script(service)


def poll_often(script: Script, forwarder: LogForwarder, polls: int) -> None:
    """Read the log every five seconds."""
    for _ in range(polls):
        while script.run(forwarder.catch_up, script.moment + 10):
            pass
        script.moment += 5


def test_an_interruption_within_a_line_without_a_break_loses_nothing_of_it() -> None:
    text = f"{'x' * 9_999}\\x0d" * 8
    service = FakeService()
    log = FakeLog([FakeLine(0.0, T0, text.replace("\\x0d", "\r")), FakeLine(0.0, T0 + 1, "the last line")])
    run = service.add_run("some_name", START, log=log, plan=((0.0, "RUNNING"),))
    script = Script(service)

    def write(record: LogRecord) -> None:
        script.records.append(record)
        if len(script.records) == 3:
            raise KeyboardInterrupt

    script._callbacks = replace(script._callbacks, write=write)
    with pytest.raises(KeyboardInterrupt):
        script.run(follow_run, FollowOptions(run.id, START))
    assert "".join(texts(script.records)) == f"{text}the last line"


class Slices(Script):
    """Keeps what is forwarded at once."""

    def __init__(self, *raw: str) -> None:
        super().__init__(answers(LogPage(tuple(LogLine(str(T0 + n), text) for n, text in enumerate(raw)), None)))
        self.slices: list[list[LogRecord]] = []

    async def forward(self, records: Sequence[LogRecord]) -> None:
        self.slices.append(list(records))
        await super().forward(records)


@pytest.mark.parametrize("forward", [True, False])
def test_an_item_with_very_many_breaks_is_forwarded_in_slices(forward: bool) -> None:
    """Between two slices an ``Io`` can yield to the event loop, also if nothing is forwarded."""
    script = Slices("\n".join(f"line {n}" for n in range(5_000)))
    log = LogForwarder("r1", forward=forward)
    script.run(log.catch_up, inf)
    assert texts(script.records) == ([f"line {n}" for n in range(5_000)] if forward else [])
    assert len(script.slices) >= 25
    assert max(map(len, script.slices)) <= SLICE_LINES
    assert log.tail.explain() == "\n".join(f"line {n}" for n in range(4_985, 5_000))


HEADS = ("18:23:01 WARN Main: x", "Traceback (most recent call last):", "  File x", "ValueError: x", "", "plain")
ENDS = ("", "\n", "\r\n", "\r", "\n\n", " \x1b[31mred\x1b[0m" * 4)
ITEMS = st.lists(st.lists(st.sampled_from(HEADS) | st.sampled_from(ENDS), max_size=12).map("".join), max_size=8)


@given(ITEMS)
def test_items_in_slices_become_the_same_records_as_read_one_by_one(items: list[str]) -> None:
    reader = RecordReader()
    records = [
        record for n, raw in enumerate(items) for some in reader.steps([LogLine(str(T0 + n), raw)]) for record in some
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward_logs, "SLICE_LINES", 3)
        patch.setattr(forward_logs, "SLICE_CHARS", 40)
        script, log = Slices(*items), LogForwarder("r1")
        script.run(log.catch_up, inf)
    assert script.records == records


def test_catching_up_is_bounded_in_time_and_says_that_there_is_more() -> None:
    _, run, script = serve(log_of(*[0.0] * 5_000, cap=100))
    forwarder = LogForwarder(run.id)
    assert script.run(forwarder.catch_up, script.moment + 1.0) is True
    assert 1.0 <= script.elapsed < 1.2
    assert script.run(forwarder.catch_up, script.moment + 100) is False
    assert texts(script.records) == [f"line {n}" for n in range(5_000)]


def test_items_without_a_text_are_left_out_and_told_once() -> None:
    page = LogPage((LogLine("1", "line 0"),), left_out=2)
    script, forwarder = Script(always(page)), LogForwarder("run0")
    for _ in range(2):
        script.run(forwarder.catch_up, script.moment + 10)
    assert texts(script.records) == ["line 0"]
    assert script.notes == [Note(logging.WARNING, "Items of the log without a text are left out: 2 so far")]


def test_a_log_that_does_not_exist_yet_is_no_matter() -> None:
    script = Script(answers(NotFoundError("getJobRunLogs", 404), LogPage((LogLine("1", "a"),))))
    forwarder = LogForwarder("r1")
    assert script.run(forwarder.catch_up, script.moment + 10) is False
    assert script.run(forwarder.catch_up, script.moment + 10) is False
    assert (texts(script.records), script.notes) == (["a"], [])


def test_a_request_that_is_refused_in_every_form_is_a_warning() -> None:
    script = Script(always(BadRequestError("getJobRunLogs", 422)))
    assert script.run(LogForwarder("r1").catch_up, script.moment + 10) is False
    assert [note.level for note in script.notes] == [logging.WARNING]
    assert len(script.sent) < 10


def test_a_log_whose_lines_are_not_late_is_complete_ten_seconds_after_the_end() -> None:
    _, run, script = serve(log_of(0.0))
    script.run(LogForwarder(run.id).drain, 60, script.moment + 900)
    assert script.sleeps == pytest.approx([5 / 3, 10 / 3, 4.85])
    assert script.elapsed == pytest.approx(MIN_QUIET_SECONDS, abs=0.1)


@pytest.mark.parametrize(("ended_ago", "seconds"), [(0.0, 60.0), (30.0, 30.0), (60.0, 0.0), (inf, 0.0)])
def test_a_log_without_lines_is_complete_after_the_longest_wait(ended_ago: float, seconds: float) -> None:
    _, run, script = serve(log_of())
    script.run(LogForwarder(run.id).drain, 60, script.moment + 900, ended_ago)
    assert script.elapsed == pytest.approx(seconds, abs=0.2)
    assert max(script.sleeps, default=0.0) <= 5


def followed(
    mode: CursorMode, caught_up: CaughtUp, *more: FakeLine, status: str = "COMPLETED"
) -> tuple[Script, FakeLog]:
    """A run of 30 seconds whose log has a line each half second on pages of ten, and more lines."""
    lines = [FakeLine(n / 2, T0 + n * 10**9 // 2, f"line {n}") for n in range(60)]
    log = FakeLog([*lines, *more], mode, caught_up, cap=10)
    service = FakeService(plan=((0.0, "RUNNING"), (30.0, status)))
    service.add_run("some_name", START, log=log)
    return Script(service), log


@pytest.mark.parametrize("poll_logs", [True, False])
def test_a_result_on_a_page_that_was_left_is_taken(poll_logs: bool) -> None:
    script, _ = followed("nanoseconds", "end", FakeLine(33.0, T0 + 10**9 + 1, 'airflow-result: "late"'))
    options = FollowOptions("run0", START, is_new=True, poll_logs=poll_logs, return_result=True)
    assert script.run(follow_run, options).result == '"late"'


@pytest.mark.parametrize("poll_logs", [True, False])
@pytest.mark.parametrize("line", ["airflow-result: nan", "INFO airflow-result: 1"])
def test_a_result_that_is_refused_is_not_waited_for_longer_than_any_line(line: str, poll_logs: bool) -> None:
    script, _ = followed("nanoseconds", "end", FakeLine(29.9, T0 + 30 * 10**9, "the last line"))
    script.run(follow_run, FollowOptions("run0", START, is_new=True))
    refused, _ = followed("nanoseconds", "end", FakeLine(29.9, T0 + 30 * 10**9, line))
    options = FollowOptions("run0", START, is_new=True, poll_logs=poll_logs, return_result=True)
    assert refused.run(follow_run, options).has_wrong_result
    assert refused.elapsed == pytest.approx(script.elapsed, abs=3.0)


@pytest.mark.parametrize("poll_logs", [True, False])
def test_a_result_after_a_refused_one_is_taken(poll_logs: bool) -> None:
    more = (
        FakeLine(29.9, T0 + 29 * 10**9, "airflow-result: nan"),
        FakeLine(36.0, T0 + 30 * 10**9, "airflow-result: 1"),
    )
    script, _ = followed("nanoseconds", "end", *more)
    options = FollowOptions("run0", START, is_new=True, poll_logs=poll_logs, return_result=True)
    assert script.run(follow_run, options).result == "1"


def test_a_late_line_on_a_page_that_was_left_is_no_earlier_than_that() -> None:
    script, _ = followed("nanoseconds", "end", FakeLine(33.0, T0 + 10**9 + 1, "late"))
    summary = script.run(follow_run, FollowOptions("run0", START, is_new=True)).summary
    assert summary is not None
    assert summary["log_lateness_seconds"] <= 32.0


def test_pages_that_were_left_are_read_again_once_and_only_if_that_was_before_the_last_round() -> None:
    _, run, script = serve(log_of(*[0.0] * 500, cap=100))
    forwarder = LogForwarder(run.id)
    script.run(forwarder.catch_up, inf)
    count = len(script.sent)
    script.run(forwarder.drain, 0.0, inf)
    cursors = [dict(sent.call.params)["cursor"] for sent in script.sent]
    assert cursors[count:] == [cursors[count - 1], *cursors[:count]]
    assert script.run(print_log, run.id) is True
    assert len(script.sent) == len(cursors) + count


@pytest.mark.parametrize("failures", [1, 2, 100])
def test_pages_that_cannot_be_read_again_are_tried_for_as_long_as_an_outage_may_last(failures: int) -> None:
    service = FakeService()
    log = FakeLog([FakeLine(1.0, T0, "late"), *(FakeLine(0.0, T0 + n, f"line {n}") for n in range(1, 30))], cap=10)
    run = service.add_run("some_name", START, log=log)
    left = [ServerError("getJobRunLogs", 503)] * failures

    def answer(call: Call[Any], moment: float) -> Any:
        if dict(call.params)["cursor"] == "0" and moment > START + 1 and left:
            raise left.pop()
        return service(call, moment)

    script = Script(answer)
    script.run(LogForwarder(run.id).drain, 60.0, inf)
    notes = [note for note in script.notes if not note.text.startswith("Reading the rest")]
    if failures < 100:
        assert sorted(texts(script.records)) == sorted(line.text for line in log.lines)
        assert notes == []
    else:
        assert texts(script.records) == [line.text for line in log.lines[1:]]
        assert [note.level for note in notes] == [logging.WARNING]
        assert script.elapsed == pytest.approx(610, abs=20)


@pytest.mark.parametrize("bound", [0.0, 0.5, 3.0, 10.0, 60.0])
def test_a_log_that_never_gets_quiet_is_waited_for_no_longer_than_the_bound(bound: float) -> None:
    _, run, script = serve(log_of(*(n / 2 for n in range(400))))
    script.run(LogForwarder(run.id).drain, bound, script.moment + 900)
    assert sum(script.sleeps) == pytest.approx(bound)


def test_draining_ends_at_its_limit_and_says_what_it_leaves() -> None:
    _, run, script = serve(log_of(*[0.0] * 500, cap=2))
    script.run(LogForwarder(run.id).drain, 60, script.moment + 5)
    assert 5 <= script.elapsed < 5.2
    assert [note.level for note in script.said(f"was not read to its end within the time limit{REST}")] == [
        logging.WARNING
    ]


def test_the_last_reading_before_the_runs_end_says_what_it_leaves_too() -> None:
    _, run, script = serve(log_of(*[0.0] * 500, cap=2))
    script.run(LogForwarder(run.id).read_last, script.moment + 5, 5.0)
    assert {sent.timeout for sent in script.sent} == {5.0}
    assert script.notes == [
        Note(logging.WARNING, f"The log of run {run.id} was not read to its end within the time limit{REST}")
    ]


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.0, 3.0, 5.0])
def test_no_wait_reaches_beyond_the_limit(limit: float) -> None:
    _, run, script = serve(log_of(0.0))
    script.run(LogForwarder(run.id).drain, 60, script.moment + limit)
    assert script.elapsed <= limit + 0.1
    # All of it was read.
    assert script.notes == []


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("getJobRunLogs", 404),
        RateLimitedError("getJobRunLogs", 429),
        ServerError("getJobRunLogs", 500),
        PermissionDeniedError("getJobRunLogs", 403),
    ],
)
@pytest.mark.parametrize("was_read", [True, False])
@pytest.mark.parametrize("way", ["drain", "read_last"])
def test_an_end_of_the_log_that_cannot_be_read_is_said_once(
    error: WherobotsApiError, was_read: bool, way: Literal["drain", "read_last"]
) -> None:
    service, run, _ = serve(log_of(0.0, 5.0))
    fails_from = START + 1

    def answer(call: Call[Any], moment: float) -> Any:
        if moment >= fails_from:
            raise error
        return service(call, moment)

    script = Script(answer)
    forwarder = LogForwarder(run.id)
    if was_read:
        script.run(forwarder.catch_up, script.moment + 10)
    script.moment += 1
    if way == "drain":
        script.run(forwarder.drain, 60, script.moment + 900)
    else:
        script.run(forwarder.read_last, script.moment + 5, 5.0)
    text = f"The log of run {run.id} could not be read to its end ({error.reason}). Read the rest on the run's page"
    assert [(note.level, note.text) for note in script.notes] == [(logging.WARNING, text)]


@pytest.mark.parametrize("error", [AuthenticationError("getJobRunLogs", 401), ServerError("getJobRunLogs", 503)])
@pytest.mark.parametrize(("seconds", "is_whole"), [(1.0, True), (300.0, True), (700.0, False)])
def test_a_key_refused_after_the_end_is_an_outage(error: WherobotsApiError, seconds: float, is_whole: bool) -> None:
    service = FakeService()
    run = service.add_run("some_name", START, log=log_of(*[0.0] * 5_000))
    sent = 0

    def answer(call: Call[Any], moment: float) -> Any:
        nonlocal sent
        sent += 1
        if sent > 3 and moment < START + 1 + seconds:
            raise error
        return service(call, moment)

    script = Script(answer)
    forwarder = LogForwarder(run.id, max_outage_seconds=600.0)
    script.run(forwarder.drain, 60, START + 900)
    assert (len(script.records) == 5_000) is is_whole
    assert forwarder.has_unread_rest is not is_whole
    warnings = [note.text for note in script.notes if note.level == logging.WARNING]
    assert len(warnings) == (0 if is_whole else 1)
    assert all("could not be read to its end" in text and text.endswith(REST) for text in warnings)


def test_a_long_rest_is_not_read_in_silence() -> None:
    _, run, script = serve(log_of(*[0.0] * 6_000, cap=100))
    script.run(LogForwarder(run.id).drain, 60, START + 900)
    assert script.notes == []
    service = FakeService()
    slow = Script(service, latency=1.0)
    service.add_run("some_name", START, log=log_of(*[0.0] * 6_000, cap=100))
    slow.run(LogForwarder("run0").drain, 60, START + 900)
    assert [note.text.partition(":")[0] for note in slow.notes] == ["Reading the rest of the log"] * 2
    assert re.fullmatch(r".*: (9\d\d|1,0\d\d) lines so far", slow.notes[0].text)


def test_a_log_that_may_not_be_read_is_given_up_like_a_quiet_one() -> None:
    script = Script(always(PermissionDeniedError("getJobRunLogs", 403)))
    script.run(LogForwarder("r1").drain, 60, script.moment + 900)
    assert script.elapsed == pytest.approx(MIN_QUIET_SECONDS, abs=0.5)


def test_a_log_is_printed_as_far_as_there_is_one_without_waiting() -> None:
    trace = ["12:00:00 WARN a", "java.lang.IllegalStateException: b"]
    lines = [FakeLine(0.0, T0 + n, text) for n, text in enumerate(trace)]
    _, run, script = serve(FakeLog([*lines, FakeLine(0.5, T0 + 2, "later")]))
    assert script.run(print_log, run.id) is True
    assert (texts(script.records), script.sleeps) == (trace, [])


def test_a_log_that_cannot_be_printed_is_said_so() -> None:
    script = Script(always(PermissionDeniedError("getJobRunLogs", 403)))
    assert script.run(print_log, "r1") is False
    assert [note.text for note in script.notes] == [
        "The log of run r1 could not be read to its end (403: no body). Read the rest on the run's page"
    ]


LIMIT = 1_600_000


def limited(log: FakeLog, limit: int = LIMIT) -> tuple[Script, str, list[int]]:
    """A log whose pages are too large over a limit, and how many lines each call asked for."""
    service, run, _ = serve(log)
    asked: list[int] = []

    def answer(call: Call[Any], moment: float) -> Any:
        asked.append(int(dict(call.params)["size"]))
        page = service(call, moment)
        if sum(len(line.raw) for line in page.items) > limit:
            raise ResponseTooLargeError(call.operation, limit)
        return page

    return Script(answer), run.id, asked


@pytest.mark.parametrize("mode", ["nanoseconds", "int", "offset", "opaque"])
def test_pages_that_are_too_large_are_asked_for_again_with_fewer_lines(mode: CursorMode) -> None:
    log = FakeLog([FakeLine(0.0, T0 + n, f"{n} " + "x" * 20_000) for n in range(300)], mode=mode)
    log.lines += [FakeLine(0.0, T0 + 300 + n, f"short {n}") for n in range(3_000)]
    script, run_id, asked = limited(log)
    forwarder = LogForwarder(run_id)
    assert script.run(forwarder.catch_up, script.moment + 1_000) is False
    short = [text for text in texts(script.records) if text.startswith("short")]
    assert short == [f"short {n}" for n in range(3_000)]
    starts = [record.text.split(" ")[0] for record in script.records if " x" in record.text[:6]]
    assert starts == [str(n) for n in range(300)]
    assert asked[:3] == [1000, 500, 250]
    # The smaller size is kept where lines are long, and grows again where they are short.
    assert len(asked) < 20
    assert asked[-1] >= 1000
    assert script.notes == []


def test_a_line_over_the_limit_is_read_past_or_said_once() -> None:
    lines = [FakeLine(0.0, T0, "before"), FakeLine(0.0, T0 + 1, "x" * (LIMIT + 1)), FakeLine(0.0, T0 + 2, "after")]
    script, run_id, asked = limited(FakeLog(lines))
    forwarder = LogForwarder(run_id)
    for _ in range(5):
        assert script.run(forwarder.catch_up, script.moment + 100) is False
        script.moment += 30
    assert texts(script.records) == ["before"]
    assert script.notes == [
        Note(
            logging.WARNING,
            "The run's log cannot be read past a line that is too long: the response is larger than "
            "1,600,000 bytes, the limit for this call",
        )
    ]
    assert len(asked) < 60


@pytest.mark.parametrize("text", ["a line", ""])
def test_a_log_that_can_be_read_again_is_said_once_and_before_its_lines(text: str) -> None:
    down = ServerError("getJobRunLogs", 503)
    script = Script(answers(down, down, *[LogPage((LogLine(T0, text),) if text else ())] * 9))
    forwarder = LogForwarder("run0")
    said: list[str] = []
    script._callbacks = replace(
        script._callbacks,
        note=lambda level, words: said.append(words),
        write=lambda record: said.append(record.text),
    )
    for _ in range(4):
        script.run(forwarder.catch_up, script.moment + 100)
        script.moment += 30
    assert said == [
        f"The run's log cannot be read for now ({down.reason}); this does not affect the run",
        "The run's log can be read again",
        *([text] if text else []),
    ]


def test_a_first_line_over_the_limit_is_said_once() -> None:
    script, run_id, _ = limited(FakeLog([FakeLine(0.0, T0, "x" * (LIMIT + 1))]))
    forwarder = LogForwarder(run_id)
    for _ in range(3):
        assert script.run(forwarder.catch_up, script.moment + 100) is False
    assert len(script.notes) == 1
    assert script.run(forwarder.drain, 60.0, script.moment + 900) is None
    assert len(script.notes) == 1


@pytest.mark.parametrize("mode", ["nanoseconds", "int", "offset"])
def test_no_line_is_said_to_be_too_long_where_only_pages_were(mode: CursorMode) -> None:
    lines = [FakeLine(0.0, T0 + 10 * n, f"{n} " + "x" * 90) for n in range(300)]
    script, run_id, _ = limited(FakeLog(lines, mode), 16_000)
    forwarder = LogForwarder(run_id)
    for _ in range(10):
        script.run(forwarder.catch_up, script.moment + 100)
        script.moment += 10
    assert (texts(script.records), script.notes) == ([line.text for line in lines], [])


def quiet_since(*pauses: float) -> tuple[LogForwarder, Script]:
    """A forwarder that has read a log without new lines after each of some pauses."""
    log, script = LogForwarder("run0"), Script(always(LogPage(())))
    for pause in pauses:
        script.moment += pause
        script.run(log.keep_up, inf, 20.0)
    return log, script


def test_a_quiet_log_is_read_at_once_after_the_clock_was_set_back() -> None:
    log, script = quiet_since(0.0, 2.0, 20.0)
    script.moment += 3.0
    script.run(log.keep_up, inf, 20.0)
    reads = len(script.sent)
    script.moment -= 3_600.0
    script.run(log.keep_up, inf, 20.0)
    assert len(script.sent) == reads + 1
    script.moment += 25.0
    script.run(log.keep_up, inf, 20.0)
    assert len(script.sent) == reads + 2
