"""The memory of a second look is bounded, in pages and in lines, and so is its patience."""

from __future__ import annotations

from airflow_provider_wherobots.api.runs.models import Line, LogLine
from airflow_provider_wherobots.logs.look_back import MAX_LINES, MAX_PAGES, SPARE_LINES, LookBack, Place, count_lines

A, B, LATE = LogLine("1", "a"), LogLine("2", "b"), LogLine("1", "late")


def test_a_place_knows_what_it_may_begin_with_what_was_shown_and_what_was_first_seen_on_it() -> None:
    place = Place.opened("2", count_lines([A]))
    assert place.take_new([A, B]) == [B]
    assert place.take_new([A, LATE, B]) == [LATE]
    assert (place.repeats, place.shown) == (count_lines([A]), count_lines([A, B, LATE]))
    assert place.lines == [hash(B), hash(LATE)]


def test_equal_lines_are_new_where_there_are_more_of_them_than_were_shown() -> None:
    place = Place("0")
    assert place.take_new([A, A]) == [A, A]
    assert place.take_new([LATE, A, A, A]) == [LATE, A]


def leave(look_back: LookBack, number: int, lines: int) -> None:
    place = Place(f"page {number}")
    items = [LogLine(str(number), f"line {number} {line}") for line in range(lines)]
    place.take_new(items)
    look_back.remember(place, items, float(number))


def test_of_many_pages_the_last_are_read_again() -> None:
    look_back = LookBack()
    for number in range(MAX_PAGES + 5):
        leave(look_back, number, 10)
    start = look_back.begin(1e9, Place("head"))
    assert start is not None
    assert start.cursor == "page 5"


def test_of_large_pages_fewer_are_read_again_and_at_least_one() -> None:
    look_back = LookBack()
    for number in range(10):
        leave(look_back, number, MAX_LINES // 4)
    start = look_back.begin(1e9, Place("head"))
    assert start is not None
    assert start.cursor == "page 6"
    look_back = LookBack()
    leave(look_back, 0, MAX_LINES + 1)
    start = look_back.begin(1e9, Place("head"))
    assert start is not None
    assert start.cursor == "page 0"


def read_again(look_back: LookBack, pages: list[list[LogLine]], before: float, moment: float) -> list[Line]:
    """Take a second look at these pages, each left a second after the one before. Returns the lines that are new."""
    place, new = look_back.begin(before, Place("head")), list[Line]()
    for number, items in enumerate(pages):
        assert place is not None
        new += look_back.leave_out_known(place.take_new(items))
        look_back.remember(place, items, moment + number)
        place = Place(f"page {number + 1}")
    return new


def test_a_late_line_makes_its_own_page_due_again_and_no_other() -> None:
    look_back, pages = LookBack(), [[A], [B]]
    for number, items in enumerate(pages):
        place = Place(f"page {number}")
        place.take_new(items)
        look_back.remember(place, items, float(number))
    pages[0].append(LATE)
    assert read_again(look_back, pages, 1.0, 10.0) == [LATE]
    assert read_again(look_back, pages, 10.0, 20.0) == []
    assert look_back.begin(1e9, Place("head")) is None


def test_lines_that_were_pushed_off_several_pages_are_known_on_the_next() -> None:
    look_back = LookBack()
    for number, line in enumerate((A, B)):
        place = Place(f"page {number}")
        place.take_new([line])
        look_back.remember(place, [], float(number))
    assert look_back.leave_out_known([A, LATE, B]) == [LATE]


def test_expected_lines_that_do_not_come_are_given_up_after_many_others() -> None:
    look_back = LookBack()
    for number in range(2):
        leave(look_back, number, 10)
    assert look_back.begin(1e9, Place("head")) is not None
    pages = 0
    while look_back.expects:
        others = [LogLine(str(pages), f"other {pages} {line}") for line in range(100)]
        assert look_back.leave_out_known(others) == others
        pages += 1
        assert pages <= 2 + SPARE_LINES // 100
    assert pages > 5
