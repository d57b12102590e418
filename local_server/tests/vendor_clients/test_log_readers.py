"""The vendor's clients read a log without losing or doubling a line. Each is here by its rule, not by its code.

* The provider (``airflow-providers-wherobots`` 1.8.1) drops a first line whose time is the cursor that it sent. It goes
  on from ``next_page``, else from the last line's time, and from ``current_page`` where there is no line.
* The SDK (``wherobots-python-sdk`` 0.5.1) shows every line and goes on from ``next_page``, else from where it was.
* The command-line client (``wherobots-cli``) shows every line that is not empty and goes on from ``next_page``, read as
  a 64-bit integer, else from its cursor plus the number of lines shown.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_server.tests.support import behaviour
from wherobots_local.api.queries import LogsQuery
from wherobots_local.runs.log import RunLog
from wherobots_local.views.runs import log_page

T0 = 1_790_000_000_000_000_000

Fetch = Callable[[int | str], dict[str, Any]]
"""Requests the page at a cursor."""
Reader = Callable[[Fetch], Iterator[list[str]]]
"""A client that follows a run: each step requests one page and gives the lines that it shows."""


def provider(fetch: Fetch) -> Iterator[list[str]]:
    cursor = 0
    while True:
        page = fetch(cursor)
        items = [(int(item["timestamp"]), item["raw"]) for item in page["items"]]
        if not items:
            cursor = int(page["current_page"])
            yield []
            continue
        yield [raw for _, raw in (items[1:] if items[0][0] == cursor else items)]
        named = page.get("next_page")
        cursor = items[-1][0] if named is None else int(named)


def sdk(fetch: Fetch) -> Iterator[list[str]]:
    cursor: int | str = 0
    while True:
        page = fetch(cursor)
        yield [item["raw"] for item in page["items"]]
        if page.get("next_page") is not None:
            cursor = page["next_page"]


def command_line(fetch: Fetch) -> Iterator[list[str]]:
    cursor = 0
    while True:
        page = fetch(cursor)
        shown = [item["raw"] for item in page["items"] if item["raw"]]
        yield shown
        named = page.get("next_page")
        cursor = cursor + len(shown) if named is None else int(named)
        assert cursor < 2**63


CLIENTS = [provider, sdk, command_line]


@pytest.mark.parametrize("client_rule", CLIENTS)
@given(st.lists(st.one_of(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.none()), max_size=20))
def test_a_growing_log_is_read_once(client_rule: Reader, steps: list[list[int] | None]) -> None:
    """Lines are written between the reads; each step after the one before, several of one time among them."""
    log, now = RunLog(), T0
    written: list[str] = []
    shown: list[str] = []
    reader = client_rule(lambda cursor: log_page(log.lines, LogsQuery(cursor=str(cursor), size=3), behaviour(), 0.0))
    for step in [*steps, *[None] * 40]:
        if step is None:
            shown += next(reader)
            continue
        now += 1
        for pause in step:
            now += pause
            log.insert(now, f"line {len(written)}")
            written.append(f"line {len(written)}")
    assert shown == written


def lines_of(client_rule: Reader, **switches: str) -> list[str]:
    log = RunLog()
    for number in range(7):
        log.insert(T0 + 1000 * number, str(number))
    steps = client_rule(
        lambda cursor: log_page(log.lines, LogsQuery(cursor=str(cursor), size=3), behaviour(**switches), 0.0)
    )
    return [line for _ in range(8) for line in next(steps)]


def test_no_other_reading_suits_all_three() -> None:
    """Why the default is what it is: each of the others loses or doubles lines of one of the clients."""
    written = [str(number) for number in range(7)]
    assert all(lines_of(rule) == written for rule in CLIENTS)
    assert lines_of(provider, log_boundary="next") == ["0", "1", "2", "4", "5"]
    assert lines_of(provider, log_boundary="last", log_next_page_when_caught_up="null") == written
    assert lines_of(sdk, log_boundary="last")[:6] == ["0", "1", "2", "2", "3", "4"]
    assert lines_of(sdk, log_next_page_when_caught_up="null") != written
    assert lines_of(command_line, log_next_page_when_caught_up="null") != written
