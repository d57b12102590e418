from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.runs.models import LogLine, LogPage
from airflow_provider_wherobots.logs.cursor import (
    GROWN_PAGE_SIZE,
    LONG_PAGE_CHARS,
    LOOK_BACK_LINES,
    MAX_PAGE_SIZE,
    MIN_PAGE_SIZE,
    PAGE_SIZE,
    LogCursor,
)
from tests.unit.flows.fake_log import T0


def page(*lines: tuple[str | int, str], next_page: str | int | None = None) -> LogPage:
    return LogPage(tuple(LogLine(timestamp, text) for timestamp, text in lines), next_page)


def accept(cursor: LogCursor, found: LogPage) -> tuple[list[str], bool]:
    lines, more = cursor.accept(found)
    return [text for _, text in lines], more


def numbered(count: int, start: int = 0) -> list[tuple[str | int, str]]:
    return [(str(T0 + n), f"line {n}") for n in range(start, start + count)]


@pytest.mark.parametrize("next_page", ["0", 0])
def test_a_next_page_equal_to_the_cursor_is_none_whatever_its_type(next_page: str | int) -> None:
    cursor = LogCursor()
    assert accept(cursor, page((1, "a"), next_page=next_page)) == (["a"], False)
    assert accept(cursor, page((1, "a"), next_page=next_page)) == ([], False)
    assert accept(cursor, page((1, "a"), (2, "b"), next_page=next_page)) == (["b"], False)


@pytest.mark.parametrize("cursor", ["1750000000000000001", 1750000000000000001, "b3BhcXVl", "007"])
@pytest.mark.parametrize(("count", "at_once"), [(1, False), (MIN_PAGE_SIZE - 1, False), (MIN_PAGE_SIZE, True)])
def test_an_issued_cursor_is_kept_as_received_and_followed_at_once_from_a_page_that_may_have_been_cut(
    cursor: str | int, count: int, at_once: bool
) -> None:
    log = LogCursor()
    lines = numbered(count)
    assert accept(log, page(*lines, next_page=cursor)) == ([text for _, text in lines], at_once)
    assert log.cursor == cursor
    assert type(log.cursor) is type(cursor)


def test_an_open_page_that_names_a_next_one_later_is_followed_at_once_though_it_has_no_new_line() -> None:
    cursor = LogCursor()
    assert accept(cursor, page(*numbered(10))) == ([f"line {n}" for n in range(10)], False)
    assert accept(cursor, page(*numbered(10), next_page=str(T0 + 9))) == ([], True)
    assert accept(cursor, page(*numbered(10, 9)))[0] == [f"line {n}" for n in range(10, 19)]


def test_a_few_long_lines_may_have_been_cut_too() -> None:
    half = "x" * (LONG_PAGE_CHARS // 2)
    assert accept(LogCursor(), page(("1", half), ("2", half), next_page="2"))[1] is True
    assert accept(LogCursor(), page(("1", half), ("2", half[1:]), next_page="2"))[1] is False


def test_after_the_end_of_the_run_every_named_page_is_requested_at_once() -> None:
    cursor = LogCursor()
    assert cursor.accept(page(("1", "a"), next_page="2"), is_ending=True)[1]


def test_pages_that_bring_nothing_new_do_not_ask_for_more_at_once() -> None:
    cursor = LogCursor()
    assert cursor.accept(page(*numbered(MIN_PAGE_SIZE), next_page="c1"))[1] is True
    assert accept(cursor, page(next_page="c2")) == ([], False)
    assert cursor.cursor == "c2"


def test_an_empty_page_does_not_lead_back() -> None:
    cursor = LogCursor()
    assert accept(cursor, page(("5", "a"), ("6", "b"), next_page="6"))[0] == ["a", "b"]
    assert accept(cursor, page(next_page="5")) == ([], False)
    assert cursor.cursor == "6"
    assert accept(cursor, page(("6", "b"), ("7", "c"))) == (["c"], False)


def test_a_full_page_without_a_next_one_is_read_again_larger() -> None:
    cursor = LogCursor()
    lines = numbered(2 * PAGE_SIZE - 1)
    assert cursor.accept(page(*lines[:PAGE_SIZE]))[1]
    assert (cursor.cursor, cursor.size) == ("0", 2 * PAGE_SIZE)
    fresh, more = accept(cursor, page(*lines))
    assert (fresh, more) == ([text for _, text in lines[PAGE_SIZE:]], False)


def test_the_pages_of_a_long_log_grow_and_those_after_its_end_do_not() -> None:
    cursor, sizes = LogCursor(), []
    for number in range(4):
        sizes.append(cursor.size)
        cursor.accept(page(*numbered(cursor.size), next_page=f"token {number}"))
    assert sizes == [PAGE_SIZE, 2 * PAGE_SIZE, GROWN_PAGE_SIZE, GROWN_PAGE_SIZE]
    cursor.accept(page(*numbered(5), next_page="token 4"))
    assert cursor.size == PAGE_SIZE


def test_a_page_that_fills_up_slowly_does_not_make_the_next_one_larger() -> None:
    cursor = LogCursor()
    cursor.accept(page(*numbered(10)))
    cursor.accept(page(*numbered(PAGE_SIZE), next_page="token"))
    assert cursor.size == PAGE_SIZE


def test_a_cursor_may_have_leading_zeros() -> None:
    cursor = LogCursor()
    cursor.accept(page(("0001", "a"), ("0002", "b"), next_page="0002"))
    assert accept(cursor, page(("0002", "b"), ("0003", "c")))[0] == ["c"]


def test_pages_do_not_grow_without_end() -> None:
    cursor = LogCursor()
    while cursor.size < MAX_PAGE_SIZE:
        cursor.accept(page(*numbered(cursor.size)))
    cursor.accept(page(*numbered(MAX_PAGE_SIZE)))
    assert cursor.size == MAX_PAGE_SIZE


def test_where_lines_are_long_fewer_are_asked_for() -> None:
    cursor = LogCursor()
    long = [(stamp, text * 1000) for stamp, text in numbered(100)]
    cursor.accept(page(*long, next_page=str(T0 + 99)))
    assert cursor.size == MIN_PAGE_SIZE


def test_a_refused_size_is_halved_until_nothing_is_left_to_try() -> None:
    cursor = LogCursor()
    tried = [cursor.size]
    while cursor.refuse():
        tried.append(cursor.size)
    assert str(tried) == f"[1000, 500, 250, 125, {MIN_PAGE_SIZE}]"
    assert not cursor.refuse()


def left(cursor: LogCursor, moment: float, *lines: tuple[str | int, str], next_page: str) -> None:
    cursor.accept(page(*lines, next_page=next_page), moment)


def test_pages_left_in_the_last_minute_are_read_again_without_their_lines() -> None:
    cursor = LogCursor()
    left(cursor, 0.0, ("1", "a"), ("2", "b"), next_page="2")
    left(cursor, 30.0, ("2", "b"), ("3", "c"), next_page="3")
    left(cursor, 70.0, ("3", "c"), ("5", "e"), next_page="5")
    assert cursor.look_back(30.0) is None
    assert cursor.look_back(71.0) == 30.0
    assert cursor.cursor == "2"
    assert accept(cursor, page(("2", "b"), ("2", "late"), ("3", "c"), ("4", "d"), next_page="4"))[0] == ["late", "d"]
    assert accept(cursor, page(("4", "d"), ("5", "e"), ("5", "e")))[0] == ["e"]
    assert cursor.look_back(80.0) is None


def test_a_quiet_log_is_remembered_by_nothing() -> None:
    cursor = LogCursor()
    left(cursor, 0.0, *numbered(PAGE_SIZE), next_page="token")
    assert cursor._left
    cursor.accept(page(), 61.0)
    assert not cursor._left
    assert not cursor._before
    assert cursor.look_back(62.0) is None


def test_no_more_lines_are_remembered_than_some_pages_have() -> None:
    cursor = LogCursor()
    for n in range(40):
        left(cursor, n / 10, *numbered(PAGE_SIZE, n * PAGE_SIZE), next_page=f"token {n}")
    assert sum(len(one.lines) for one in cursor._left) == LOOK_BACK_LINES
    cursor.look_back(5.0)
    assert cursor.cursor == f"token {39 - LOOK_BACK_LINES // PAGE_SIZE}"


def test_of_an_answer_that_is_too_large_smaller_pages_are_tried_down_to_a_single_line() -> None:
    cursor = LogCursor()
    tried = [cursor.size]
    while cursor.refuse(too_large=True):
        tried.append(cursor.size)
    assert tried == [1000, 100, 50, 25, 12, 6, 3, 1]
    # The next page may be larger again.
    cursor.accept(page(("1", "a"), next_page="2"))
    assert (cursor.cursor, cursor.size) == ("2", PAGE_SIZE)


def test_a_failure_that_a_large_page_may_have_caused_makes_pages_usual_again_but_for_one_that_was_read() -> None:
    cursor = LogCursor()
    cursor.accept(page(*numbered(PAGE_SIZE), next_page="a"))
    assert cursor.size == 2 * PAGE_SIZE
    assert cursor.refuse()
    assert cursor.size == PAGE_SIZE
    assert not cursor.request_fewer()
    cursor.accept(page(*numbered(PAGE_SIZE, PAGE_SIZE), next_page="b"))
    assert cursor.size == PAGE_SIZE
    cursor = LogCursor()
    cursor.accept(page(*numbered(PAGE_SIZE)))
    assert not cursor.request_fewer()
    assert cursor.size == 2 * PAGE_SIZE


def test_a_page_of_as_many_lines_as_were_asked_for_may_have_been_cut() -> None:
    cursor = LogCursor()
    for _ in range(3):
        cursor.refuse(too_large=True)
    assert cursor.size == 25
    assert accept(cursor, page(*numbered(25), next_page="a"))[1] is True


def test_a_page_with_lines_leads_wherever_it_says() -> None:
    cursor = LogCursor()
    accept(cursor, page(("5", "a"), ("6", "b"), next_page="6"))
    assert accept(cursor, page(("6", "b"), ("7", "c"), next_page="3"))[0] == ["c"]
    assert cursor.cursor == "3"


@pytest.mark.parametrize("is_ending", [False, True])
def test_a_cursor_that_leads_back_to_a_page_that_was_left_is_not_followed(is_ending: bool) -> None:
    cursor, lines = LogCursor(), numbered(2 * PAGE_SIZE)
    pages = {"0": page(*lines[:PAGE_SIZE], next_page="b"), "b": page(*lines[PAGE_SIZE:], next_page="0")}
    shown = 0

    def read_round() -> int:
        new, more = cursor.accept(pages[str(cursor.cursor)], 1.0, is_ending=is_ending)
        return len(new) + (read_round() if more else 0)

    for _ in range(3):
        shown += read_round()
    cursor.look_back(2.0)
    assert shown + read_round() + read_round() == len(lines)
