import pytest

from airflow_provider_wherobots.api.runs.models import LogLine, LogPage
from airflow_provider_wherobots.logs.cursor import (
    LAST_LINES,
    LAST_PAGES,
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
def test_an_issued_cursor_is_kept_and_followed_at_once(cursor: str | int, count: int, at_once: bool) -> None:
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


def test_a_refused_size_is_halved_until_nothing_is_left_to_try() -> None:
    cursor = LogCursor()
    tried = [cursor.size]
    while cursor.refuse():
        tried.append(cursor.size)
    assert tried == [1000, 500, 250, 125]
    cursor.accept(page(("1", "a"), next_page="2"))
    assert cursor.size == 125, "no page is refused for the same reason again"


def test_the_last_pages_are_read_again_once_without_their_lines() -> None:
    cursor = LogCursor()
    cursor.accept(page(("1", "a"), ("2", "b"), next_page="2"))
    cursor.accept(page(("2", "b"), ("3", "c"), next_page="3"))
    cursor.accept(page(("3", "c"), ("5", "e"), next_page="5"))
    assert cursor.look_back()
    assert cursor.cursor == "0"
    assert accept(cursor, page(("1", "a"), ("2", "b"), next_page="2"))[0] == []
    assert accept(cursor, page(("2", "b"), ("2", "late"), ("3", "c"), ("4", "d"), next_page="4"))[0] == ["late", "d"]
    assert accept(cursor, page(("4", "d"), ("5", "e"), ("5", "e")))[0] == ["e"]
    assert not cursor.look_back()


@pytest.mark.parametrize(
    ("lines", "again"), [(PAGE_SIZE, LAST_LINES // PAGE_SIZE), (5, LAST_PAGES), (3 * PAGE_SIZE, 1)]
)
def test_no_more_than_some_pages_are_read_again(lines: int, again: int) -> None:
    cursor = LogCursor()
    for n in range(40):
        cursor.accept(page(*numbered(lines, n * lines), next_page=f"token {n}"))
    assert cursor.look_back()
    assert cursor.cursor == f"token {39 - again}"


def test_a_full_page_before_a_short_one_is_read_again() -> None:
    """As at the end of a burst, on a service whose last page names its own end."""
    cursor = LogCursor()
    for n in range(5):
        cursor.accept(page(*numbered(PAGE_SIZE, n * PAGE_SIZE), next_page=f"token {n}"))
    cursor.accept(page(*numbered(3, 5 * PAGE_SIZE), next_page="token 5"))
    assert cursor.look_back()
    assert cursor.cursor == "token 3"


def test_a_log_of_one_page_is_not_read_again() -> None:
    cursor = LogCursor()
    cursor.accept(page(*numbered(5)))
    assert not cursor.look_back()


def test_of_an_answer_that_is_too_large_smaller_pages_are_tried_down_to_a_single_line() -> None:
    cursor = LogCursor()
    tried = [cursor.size]
    while cursor.refuse(too_large=True):
        tried.append(cursor.size)
    assert tried == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1]
    # Later pages have more again.
    for number in range(2, 14):
        cursor.accept(page((str(number), "a"), next_page=str(number + 1)))
    assert (cursor.cursor, cursor.size) == ("14", PAGE_SIZE)


def test_a_page_of_as_many_lines_as_were_asked_for_may_have_been_cut() -> None:
    cursor = LogCursor()
    while cursor.size > 31:
        cursor.refuse(too_large=True)
    assert accept(cursor, page(*numbered(31), next_page="a"))[1] is True


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
        new, more = cursor.accept(pages[str(cursor.cursor)], is_ending=is_ending)
        return len(new) + (read_round() if more else 0)

    for _ in range(3):
        shown += read_round()
    cursor.look_back()
    assert shown + read_round() + read_round() == len(lines)
