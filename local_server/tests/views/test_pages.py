"""List pages and log pages, without HTTP: every item once, in order, under every reading of the cursor."""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_server.tests.support import behaviour
from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import ListQuery, LogsQuery, name_matches, parse_query
from wherobots_local.api.requests import CreateRunRequest
from wherobots_local.control.faults import Behaviour
from wherobots_local.runs.log import LogLines, RunLog
from wherobots_local.runs.run import LocalRun
from wherobots_local.views.runs import log_page, run_page

CURSORS = ["nanoseconds", "nanoseconds-int", "offset", "opaque"]


def make_runs(count: int) -> list[LocalRun]:
    return [LocalRun(CreateRunRequest(name=f"run_{index:04}"), "aws-us-west-2", index) for index in range(count)]


def page_of(runs: list[LocalRun], query: ListQuery, **switches: Any) -> dict[str, Any]:
    return run_page(runs, query, behaviour(**switches), float("inf"))


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_list_pages_hold_every_run_once_in_order_and_in_both_directions(size: int) -> None:
    runs = make_runs(23)
    names: list[str] = []
    page = page_of(runs, ListQuery(size=size))
    assert page["previous_page"] is None
    while True:
        names += [item["name"] for item in page["items"]]
        assert page["total"] == 23
        if page["next_page"] is None:
            break
        page = page_of(runs, ListQuery(size=size, cursor=page["next_page"]))
    assert names == [run.request.name for run in runs[::-1]]
    back = page_of(runs, ListQuery(size=size, cursor=page["current_page_backwards"]))
    assert [item["name"] for item in back["items"]] == names[-size:]
    backwards = [page["items"]]
    while page["previous_page"] is not None:
        page = page_of(runs, ListQuery(size=size, cursor=page["previous_page"]))
        backwards.insert(0, page["items"])
    assert [item["name"] for items in backwards for item in items] == names


def test_a_run_created_between_two_pages_does_not_shift_them() -> None:
    runs = make_runs(4)
    first = page_of(runs, ListQuery(size=2))
    runs += [LocalRun(CreateRunRequest(name="run_new1"), "r", 4)]
    second = page_of(runs, ListQuery(size=2, cursor=first["next_page"]))
    assert [item["name"] for item in second["items"]] == ["run_0001", "run_0000"]


def test_list_filters() -> None:
    runs = make_runs(4)
    runs[1].set_status("RUNNING")
    runs[2].set_status("FAILED")
    runs[3].region = "aws-eu-west-1"

    def found(**filters: Any) -> list[str]:
        return [item["name"] for item in page_of(runs, ListQuery(**filters))["items"]]

    assert found(name="run_0002") == ["run_0002"]
    assert found(name="run_000") == []
    assert found(name="run*3") == ["run_0003"]
    assert found(status=frozenset({"RUNNING", "FAILED"})) == ["run_0002", "run_0001"]
    assert found(region="aws-eu-west-1") == ["run_0003"]
    assert found(created_after=runs[0].created_at - timedelta(seconds=1)) == [run.request.name for run in runs[::-1]]
    assert found(created_after=runs[3].created_at) == []
    assert found(size=0) == []


def test_a_run_can_show_up_late_in_the_list() -> None:
    runs = make_runs(1)
    created = runs[0].created_monotonic
    late = behaviour(list_delay_seconds=5)
    assert run_page(runs, ListQuery(), late, created + 4)["total"] == 0
    assert run_page(runs, ListQuery(), late, created + 5)["total"] == 1


@pytest.mark.parametrize("cursor", ["x", "!!", "Pg=", "Pjw=", "é", "YWJj"])
def test_a_made_up_list_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError) as raised:
        page_of(make_runs(2), ListQuery(cursor=cursor))
    assert raised.value.status == 400
    assert raised.value.problems[0].field == "cursor"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("abc", "abc", True),
        ("ab", "abc", False),
        ("ab*", "abc", True),
        ("*bc", "abc", True),
        ("a*c", "ac", True),
        ("aba*aba", "aba", False),
        ("*", "", True),
    ],
)
def test_name_patterns(pattern: str, name: str, fits: bool) -> None:
    assert name_matches(pattern, name) is fits


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ([("name", "a b")], "name"),
        ([("status", "RUNNING"), ("status", "DONE")], "status"),
        ([("created_after", "yesterday")], "created_after"),
        ([("size", "ten")], "size"),
    ],
)
def test_wrong_list_parameters(query: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_query(ListQuery, query)
    assert (raised.value.status, [problem.field for problem in raised.value.problems]) == (422, [field])


def read_carefully(log: RunLog, style: Behaviour, size: int) -> list[str]:
    """Follow the server's own cursors; drop from each page what an inclusive cursor repeats."""
    found: list[str] = []
    cursor: Any = None
    seen: Counter[tuple[Any, str]] = Counter()
    for _ in range(1000):
        page = log_page(log.lines, LogsQuery(cursor=None if cursor is None else str(cursor), size=size), style, 0.0)
        repeated = Counter(seen)
        fresh = []
        for item in page["items"]:
            entry = (item["timestamp"], item["raw"])
            if repeated[entry]:
                repeated[entry] -= 1
            else:
                fresh.append(item["raw"])
                seen[entry] += 1
        found += fresh
        following = page.get("next_page")
        if following is None or following == page["current_page"]:
            return found
        cursor = following
        if style.log_cursor in ("offset", "opaque"):
            seen.clear()
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("caught_up", ["end", "null", "equal", "absent"])
@pytest.mark.parametrize("boundary", ["after", "last", "next"])
@pytest.mark.parametrize("cursor", CURSORS)
@given(st.lists(st.integers(1000, 1030), max_size=30))
def test_each_line_comes_once(cursor: str, boundary: str, caught_up: str, timestamps: list[int]) -> None:
    log = RunLog()
    for number, timestamp in enumerate(timestamps):
        log.insert(timestamp, f"line {number}")
    style = behaviour(log_cursor=cursor, log_boundary=boundary, log_next_page_when_caught_up=caught_up)
    # With an inclusive cursor a page must be larger than the number of lines that share a timestamp.
    shared = max(Counter(timestamps).values(), default=0)
    size = shared + 1 if cursor.startswith("nanoseconds") else 3
    assert read_carefully(log, style, size) == [line.raw for line in log.lines]


def followed(pages: int, **style: str) -> list[tuple[str, list[str], str | None]]:
    """What the pages of a log of three lines hold, by two: their cursors, lines and next cursors, shortened."""
    log = RunLog()
    for number in range(3):
        log.insert(1_700_000_000_000_000_000 + number, str(number))
    found, cursor = [], None
    for _ in range(pages):
        page = log_page(log.lines, LogsQuery(size=2, cursor=cursor), behaviour(**style), 0.0)
        lines = [item["raw"] for item in page["items"]]
        assert [item["timestamp"] for item in page["items"]] == [f"170000000000000000{raw}" for raw in lines]
        found.append((page["current_page"][-1], lines, page["next_page"] and page["next_page"][-1]))
        cursor = page["next_page"]
    return found


def test_by_default_a_cursor_names_the_last_line_shown_and_the_next_page_begins_after_it() -> None:
    assert followed(3) == [("0", ["0", "1"], "1"), ("1", ["2"], "2"), ("2", [], "2")]


@pytest.mark.parametrize("caught_up", ["end", "null"])
def test_lines_of_one_time_stay_on_one_page(caught_up: str) -> None:
    log = RunLog()
    for number, timestamp in enumerate([5, 6, 6, 6, 7]):
        log.insert(timestamp, str(number))
    pages, cursor = [], "0"
    for _ in range(3):
        style = behaviour(log_next_page_when_caught_up=caught_up)
        page = log_page(log.lines, LogsQuery(cursor=cursor, size=2), style, 0.0)
        pages.append([item["raw"] for item in page["items"]])
        cursor = page["next_page"]
    assert pages == [["0"], ["1", "2", "3"], ["4"]]
    assert cursor == ("7" if caught_up == "end" else None)


def test_lines_can_become_visible_late_and_pages_can_be_capped() -> None:
    log = RunLog()
    for text in ("a", "b", "c"):
        log.append(text.encode())
    read_at = log.lines[-1].read_at
    late = behaviour(log_delay_seconds=10)
    assert log_page(log.lines, LogsQuery(), late, read_at + 9)["items"] == []
    assert len(log_page(log.lines, LogsQuery(), late, read_at + 10)["items"]) == 3
    assert len(log_page(log.lines, LogsQuery(size=100), behaviour(log_max_size=2), read_at)["items"]) == 2


def test_lines_that_are_not_visible_yet_are_skipped_by_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog()
    log.append(b"\n".join([b"x"] * 10_000))
    log.insert(log.lines[-1].timestamp + 1, "visible")
    read, locate = list[int](), LogLines.locate

    def counted(lines: LogLines, position: int) -> Any:
        read.append(position)
        return locate(lines, position)

    monkeypatch.setattr(LogLines, "locate", counted)
    page = log_page(log.lines, LogsQuery(), behaviour(log_delay_seconds=10), time.monotonic())
    assert [item["raw"] for item in page["items"]] == ["visible"]
    assert len(read) < 100


@pytest.mark.parametrize("style", CURSORS)
def test_a_made_up_log_cursor_is_refused(style: str) -> None:
    with pytest.raises(ApiError) as raised:
        log_page([], LogsQuery(cursor="-1"), behaviour(log_cursor=style), 0.0)
    assert (raised.value.status, raised.value.problems[0].field) == (400, "cursor")


@pytest.mark.parametrize("delay", [0, 5])
def test_nothing_is_behind_an_offset_beyond_the_end(delay: float) -> None:
    log = RunLog()
    log.append(b"line")
    style = behaviour(log_cursor="offset", log_delay_seconds=delay)
    cursor = "9" * 30
    page = log_page(log.lines, LogsQuery(cursor=cursor), style, time.monotonic() + 10)
    assert page == {"items": [], "current_page": cursor, "next_page": cursor}


def test_lines_are_stamped_in_order_and_each_with_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog()
    for number in range(1000):
        if number == 500:
            monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)  # The clock is set back.
        log.append(str(number).encode())
    assert [line.raw for line in log.lines] == [str(number) for number in range(1000)]
    assert [line.timestamp for line in log.lines] == sorted({line.timestamp for line in log.lines})
