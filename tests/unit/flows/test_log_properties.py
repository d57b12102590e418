"""Every line of a run's log is forwarded, none twice, whatever a cursor is.

In order, where lines arrive in order; as a multiset, where some are inserted late, into the page that is being read or
into one of the last that were left. Left out is only what no client could tell apart or reads: two lines of equal time
and text on both sides of an opaque cursor (it may or may not repeat the first), more lines of one time than fit on a
page of a service whose cursors are times, lines inserted into a page that is older than the last ones, and, before the
end, before the open page where a cursor is a mere count of lines.
"""

from collections import Counter
from dataclasses import replace
from math import inf
from unittest.mock import patch

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.logs import cursor
from airflow_provider_wherobots.logs.cursor import LogCursor
from tests.unit.flows.fake_log import T0, Boundary, CaughtUp, CursorMode, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Script, texts

LATEST = 200.0
ANY_MODE: st.SearchStrategy[CursorMode] = st.sampled_from(["nanoseconds", "int", "offset", "opaque"])
NUMERIC_MODE: st.SearchStrategy[CursorMode] = st.sampled_from(["nanoseconds", "int", "offset"])
CAUGHT_UP: st.SearchStrategy[CaughtUp] = st.sampled_from(["null", "absent", "equal", "end"])
BOUNDARY: st.SearchStrategy[Boundary] = st.sampled_from(["last", "next", "after"])


@st.composite
def lines_in_order(draw: st.DrawFn, *, distinct: bool, least_step: int = 0) -> list[FakeLine]:
    """Lines whose times and arrivals both only grow."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(least_step, 2),
                st.sampled_from([0.0, 0.0, 0.0, 0.5, 30.0]),
                st.sampled_from(["tick", "tock"]),
            ),
            max_size=60,
        )
    )
    lines, timestamp, arrives = [], T0, 0.0
    for number, (step, pause, text) in enumerate(steps):
        timestamp, arrives = timestamp + step, min(LATEST, arrives + pause)
        lines.append(FakeLine(arrives, timestamp, f"{text} {number}" if distinct else text))
    return lines


def largest_group(lines: list[FakeLine]) -> int:
    """How many lines at most have one time."""
    return max(Counter(line.timestamp for line in lines).values(), default=0)


def arrive_together(lines: list[FakeLine]) -> bool:
    """Whether the lines of one time arrive at one moment: after an exclusive cursor no later one can be read."""
    return len({line.timestamp for line in lines}) == len({(line.timestamp, line.arrives) for line in lines})


def forwarded(log: FakeLog, interval: float = 5.0) -> list[str]:
    """What a poll every few seconds forwards, until long after the last line."""
    service = FakeService()
    run = service.add_run("some_name", START, log=log)
    script = Script(service)
    forwarder = LogForwarder(run.id)
    # A replica that lags behind shows a line later than it arrives.
    latest = max((line.arrives for line in log.lines), default=0.0) + max(log.lags, default=0.0)
    quiet_from = latest + 30 + 2 * interval
    while script.elapsed <= quiet_from + 4 * interval:
        while script.run(forwarder.catch_up, script.moment + 10):
            event("behind")
        script.moment += interval
    # Where pages are shorter than any client has seen, the rest comes when the run has ended.
    script.run(forwarder.drain, 0.0, inf)
    calls = len(script.sent)
    script.run(forwarder.catch_up, script.moment + 10)
    assert len(script.sent) == calls + 1
    return texts(script.records)


@given(lines_in_order(distinct=False), NUMERIC_MODE, CAUGHT_UP, st.integers(1, 70), BOUNDARY)
def test_lines_that_arrive_in_order_are_forwarded_once_and_in_order(
    lines: list[FakeLine], mode: CursorMode, caught_up: CaughtUp, cap: int, boundary: Boundary
) -> None:
    assume(mode == "offset" or largest_group(lines) < cap)
    assume(mode == "offset" or boundary != "after" or arrive_together(lines))
    log = FakeLog(lines, mode, caught_up, cap, boundary=boundary)
    assert forwarded(log) == [line.text for line in lines]


@given(
    lines_in_order(distinct=True, least_step=1),
    ANY_MODE,
    CAUGHT_UP,
    st.integers(2, 70),
    BOUNDARY,
    st.sampled_from([0, 200, 4_000]),
    st.floats(1, LATEST),
    st.floats(0, 1),
)
def test_a_run_that_is_followed_to_its_end_has_all_lines_in_its_log(
    lines: list[FakeLine],
    mode: CursorMode,
    caught_up: CaughtUp,
    cap: int,
    boundary: Boundary,
    max_chars: int,
    length: float,
    jitter: float,
) -> None:
    # The last come a little after the end.
    lines = [replace(line, arrives=min(line.arrives, length + 3.0)) for line in lines]
    service = FakeService(plan=((0.0, "RUNNING"), (length, "COMPLETED")))
    log = FakeLog(lines, mode, caught_up, cap, max_chars, boundary=boundary)
    run = service.add_run("some_name", START, log=log)
    script = Script(service, jitter=jitter)
    script.run(follow_run, FollowOptions(run.id, START, is_new=True))
    assert texts(script.records) == [line.text for line in lines]


@given(lines_in_order(distinct=True), CAUGHT_UP, st.integers(1, 70))
def test_so_are_they_under_opaque_cursors(lines: list[FakeLine], caught_up: CaughtUp, cap: int) -> None:
    log = FakeLog(lines, "opaque", caught_up, cap)
    assert forwarded(log) == [line.text for line in lines]


@given(
    st.lists(
        st.tuples(st.integers(0, 10), st.floats(0, LATEST), st.sampled_from(["tick", "tock"])), min_size=1, max_size=40
    ),
    ANY_MODE,
    st.sampled_from(["null", "absent", "equal"]),
)
def test_late_lines_come_once(arrivals: list[tuple[int, float, str]], mode: CursorMode, caught_up: CaughtUp) -> None:
    lines = [FakeLine(arrives, T0 + step, text) for step, arrives, text in arrivals]
    log = FakeLog(lines, mode, caught_up)
    assert Counter(forwarded(log)) == Counter(line.text for line in lines)


@st.composite
def lines_of_two_nodes(draw: st.DrawFn) -> list[FakeLine]:
    """Lines of which any may arrive up to eight seconds after those that follow it."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 10), st.sampled_from([0.0, 0.0, 0.5, 20.0]), st.sampled_from([0.0, 0.0, 3.0, 8.0])
            ),
            max_size=60,
        )
    )
    lines, timestamp, arrives = [], T0, 0.0
    for number, (step, pause, late) in enumerate(drawn):
        timestamp, arrives = timestamp + step, min(LATEST, arrives + pause)
        lines.append(FakeLine(arrives + late, timestamp, f"line {number}"))
    return lines


@given(
    lines_of_two_nodes(),
    st.sampled_from(["nanoseconds", "int", "opaque"]),
    st.sampled_from(["null", "absent", "equal"]),
    st.integers(12, 70),
)
def test_late_lines_lose_nothing_else(lines: list[FakeLine], mode: CursorMode, caught_up: CaughtUp, cap: int) -> None:
    assume(mode == "opaque" or largest_group(lines) < cap)
    got, all_lines = Counter(forwarded(FakeLog(lines, mode, caught_up, cap))), Counter(line.text for line in lines)
    assert not got - all_lines
    for line in lines:
        is_late = any(line.arrives > other.arrives for other in lines if other.timestamp >= line.timestamp)
        assert got[line.text] or is_late


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.1, 2.0]), st.sampled_from([0.0, 0.0, 0.5, 3.0, 8.0]), st.booleans()),
        max_size=40,
    ),
    st.sampled_from(["nanoseconds", "int", "opaque"]),
    CAUGHT_UP,
    st.integers(12, 70),
    BOUNDARY,
    st.floats(0, 1),
)
def test_lines_of_the_last_minute_are_forwarded_once_each_however_late_they_are(
    drawn: list[tuple[float, float, bool]],
    mode: CursorMode,
    caught_up: CaughtUp,
    cap: int,
    boundary: Boundary,
    jitter: float,
) -> None:
    end = 1.0 + min(50.0, sum(pause for pause, _, _ in drawn))
    lines, written = [], 0.0
    for number, (pause, late, is_equal) in enumerate(drawn):
        written = min(50.0, written + pause)
        text = "tick" if is_equal and mode != "opaque" else f"line {number}"
        # The last come a little after the end.
        lines.append(FakeLine(min(written + late, end + 3.0), T0 + int(written * 1e9), text))
    assume(mode == "opaque" or largest_group(lines) < cap)
    service = FakeService(plan=((0.0, "RUNNING"), (end, "COMPLETED")))
    run = service.add_run("some_name", START, log=FakeLog(lines, mode, caught_up, cap, boundary=boundary))
    script = Script(service, jitter=jitter)
    script.run(follow_run, FollowOptions(run.id, START, is_new=True))
    assert Counter(texts(script.records)) == Counter(line.text for line in lines)


@given(
    st.data(),
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 5.0]), min_size=1, max_size=60),
    ANY_MODE,
    CAUGHT_UP,
    st.integers(4, 30),
    BOUNDARY,
)
def test_lines_inserted_before_the_last_look_double_none_that_they_push(
    data: st.DataObject, pauses: list[float], mode: CursorMode, caught_up: CaughtUp, cap: int, boundary: Boundary
) -> None:
    lines = [FakeLine(min(40.0, sum(pauses[:n])), T0 + 10 * n, f"line {n}") for n in range(len(pauses))]
    late = [replace(line, arrives=0.0) for line in data.draw(lines_of_another_node(lines, [0.0]))]
    assume(mode == "offset" or largest_group(lines + late) < cap)
    service = FakeService()
    log = FakeLog(list(lines), mode, caught_up, cap, boundary=boundary)
    script = Script(service)
    forwarder = LogForwarder(service.add_run("some_name", START, log=log).id)
    while script.elapsed < 50:
        while script.run(forwarder.catch_up, script.moment + 10):
            event("behind")
        script.moment += 5
    look_back = LogCursor.look_back

    def insert_and_look_back(self: LogCursor) -> bool:
        log.lines += late
        return look_back(self)

    with patch.object(LogCursor, "look_back", insert_and_look_back):
        script.run(forwarder.drain, 0.0, inf)
    assert sorted(texts(script.records)[: len(lines)]) == sorted(line.text for line in lines)
    found = Counter(texts(script.records)[len(lines) :])
    assert not found - Counter(line.text for line in late)
    is_remembered = caught_up == "end" or len(lines) > cap
    assert not is_remembered or found.total() == len(late)


@given(
    lines_of_two_nodes(),
    st.sampled_from(["nanoseconds", "int", "opaque"]),
    CAUGHT_UP,
    st.integers(12, 70),
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 2.0, 30.0, 100.0]), max_size=40),
)
def test_replicas_that_lag_behind_double_nothing(
    lines: list[FakeLine], mode: CursorMode, caught_up: CaughtUp, cap: int, lags: list[float]
) -> None:
    # An opaque cursor that leads back to where the replica's log ends looks like any other.
    assume(caught_up != "end" if mode == "opaque" else largest_group(lines) < cap)
    log = FakeLog(lines, mode, caught_up, cap, lags=list(lags))
    assert not Counter(forwarded(log)) - Counter(line.text for line in lines)


@st.composite
def bursts(draw: st.DrawFn, round_size: int) -> list[FakeLine]:
    """Bursts that fill pages exactly, or all but; up to four lines have one time."""
    lines: list[FakeLine] = []
    timestamp, arrives = T0, 0.0
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 2)) * round_size + draw(st.sampled_from([-1, 0, 0, 0, 1, 20]))
        width = draw(st.integers(1, 4))
        for number in range(max(0, count)):
            timestamp += 10 * (number % width == 0)
            lines.append(FakeLine(arrives, timestamp, f"line {len(lines)}"))
        arrives += draw(st.sampled_from([0.0, 2.0, 5.0, 12.0]))
    return lines


@st.composite
def lines_of_another_node(draw: st.DrawFn, lines: list[FakeLine], delays: list[float]) -> list[FakeLine]:
    """Lines that are inserted between those, or on one's very time, some time after it."""
    drawn = draw(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([-1, 0, 1]), st.sampled_from(delays)), max_size=4))
    late = []
    for number, (share, step, delay) in enumerate(drawn if lines else ()):
        after = lines[int(share * (len(lines) - 1))]
        late.append(FakeLine(after.arrives + delay, after.timestamp + step, f"late {number}"))
    return late


@given(st.data(), ANY_MODE, st.sampled_from(["null", "absent", "equal"]))
def test_an_open_page_keeps_its_late_lines(data: st.DataObject, mode: CursorMode, caught_up: CaughtUp) -> None:
    lines = data.draw(bursts(50) | bursts(100))
    late = data.draw(lines_of_another_node(lines, [0.01, 0.06, 0.11, 3.0, 8.0, 60.0]))
    log = FakeLog(lines + late, mode, caught_up)
    assert Counter(forwarded(log)) == Counter(line.text for line in log.lines)


@pytest.mark.parametrize("mode", ["nanoseconds", "int", "offset", "opaque"])
@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
def test_a_burst_that_fills_the_largest_page_keeps_its_last_line(mode: CursorMode, count: int) -> None:
    lines = [FakeLine(0.0, T0 + 10 * n, f"line {n}") for n in range(count)]
    lines += [FakeLine(100.0, T0 + 10 * count, "last")]
    assert forwarded(FakeLog(lines, mode), interval=10.0) == [line.text for line in lines]


@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0.0, 0.0, 5.0, 10.0])), max_size=12),
    ANY_MODE,
    CAUGHT_UP,
    st.sampled_from([10, 15, 20, 39, 1_000_000]),
    st.sampled_from([10, 20, 40, 1000]),
)
def test_pages_that_are_refused_lose_and_double_nothing(
    batches: list[tuple[int, float]], mode: CursorMode, caught_up: CaughtUp, max_size: int, cap: int
) -> None:
    lines: list[FakeLine] = []
    arrives = 0.0
    for size, pause in batches:
        arrives += pause
        lines += [FakeLine(arrives, T0 + 2 * (len(lines) + n), f"line {len(lines) + n}") for n in range(size)]
    with patch.multiple(cursor, PAGE_SIZE=10, MIN_PAGE_SIZE=2, MAX_PAGE_SIZE=160):
        got = forwarded(FakeLog(lines, mode, caught_up, cap, max_size=max_size))
    assert got == [line.text for line in lines]
