"""The status page in a real Chromium: what it shows, what it does, and that nothing in a run becomes part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, Client
from tests.browser.screenshots import Screenshots, replace_in_responses
from tests.support.ports import HeldPort
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

if TYPE_CHECKING:
    # Playwright is in one environment only; these tests are collected in all of them.
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

PATIENCE_MS = 30_000
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HELD = """
import os, time
print("first line", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
print("last line")
"""
JOINING = """
import logging, os, time
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("zonal_stats")
log.info("38 countries, 1.2 million cells")
log.warning("2 countries have no cells")
log.info("Joining")
while not os.path.exists("go"):
    time.sleep(0.05)
"""


@pytest.fixture
def problems() -> list[str]:
    """What the page's console said."""
    return []


@pytest.fixture
def page(chromium: Browser, server: LocalServer, problems: list[str], tmp_path: Path) -> Iterator[Page]:
    """The page, before the key was entered."""
    context = chromium.new_context(
        base_url=server.url, viewport={"width": 1280, "height": 720}, locale="en-US", timezone_id="UTC"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/")
    try:
        yield page
    finally:
        # Shown by pytest when the test failed.
        print(f"At the end the page {page.url} showed:\n{page.locator('body').aria_snapshot()}")
        page.screenshot(path=tmp_path / "at-the-end.png")
        page.unroute_all(behavior="wait")
        context.close()


def enter(page: Page, key: str = KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Open").click()


def open_run(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name=name).wait_for()


def expect_text(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(text, timeout=PATIENCE_MS)


def test_the_key_is_asked_for_and_kept_in_the_tab(page: Page, client: Client) -> None:
    client.run("", name="a_run_for_the_list")
    enter(page, "wrong-key")
    expect_text(page, "#problem", "The API key is not valid.")
    enter(page)
    page.get_by_role("link", name="a_run_for_the_list").first.wait_for()
    page.reload()
    page.get_by_role("link", name="a_run_for_the_list").first.wait_for()
    assert KEY not in page.url
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    page.get_by_role("button", name="Forget the key").click()
    page.get_by_label("API key").wait_for()
    assert page.evaluate("sessionStorage.length") == 0
    assert page.get_by_role("link", name="a_run_for_the_list").count() == 0


def test_the_list_follows_the_runs(page: Page, client: Client, problems: list[str]) -> None:
    enter(page)
    run = client.create(HELD, name="followed_in_the_list", runtime="tiny")
    row = page.get_by_role("row").filter(has_text="followed_in_the_list")
    row.get_by_text("RUNNING").wait_for()
    assert "tiny" in row.inner_text()
    (client.root / ".wherobots-local" / "runs" / run["id"] / "go").touch()
    row.get_by_text("COMPLETED").wait_for()
    failed = client.create("raise ValueError('no such column')", name="failed_in_the_list")
    client.wait(failed["id"], "FAILED")
    row = page.get_by_role("row").filter(has_text="failed_in_the_list")
    row.get_by_text("exited with code 1: ValueError: no such column").wait_for()
    assert page.get_by_role("row").nth(1).inner_text().startswith("failed_in_the_list")
    assert problems == []


def test_a_log_is_followed_while_it_is_written(page: Page, client: Client) -> None:
    enter(page)
    run = client.create(HELD, name="followed_log", args=("--day", "2026-12-01"))
    open_run(page, "followed_log")
    log = page.get_by_role("log", name="Log of the run")
    log.get_by_text("first line").wait_for()
    assert "--day 2026-12-01" in page.locator("#facts").inner_text()
    assert log.get_by_text("last line").count() == 0
    (client.root / ".wherobots-local" / "runs" / run["id"] / "go").touch()
    log.get_by_text("last line").wait_for()
    expect_text(page, "#item-status", "COMPLETED")
    assert log.locator("div").count() == 2
    assert not page.get_by_role("button", name="Cancel the run").is_visible()
    expect_text(page, "#log-note", re.compile(r"The whole log: /.*/log\.txt$"))
    page.go_back()
    page.get_by_role("heading", name="Runs").wait_for()


# The addresses that clients print


@pytest.mark.parametrize("end", ["", "/logs"])
def test_a_runs_address_asks_for_the_key(end: str, page: Page, client: Client, problems: list[str]) -> None:
    run, _ = client.run("print('one line')\nraise ValueError('no such column')", name="by_address", status="FAILED")
    page.goto(f"/runs/{run['id']}{end}")
    enter(page)
    for _ in range(2):
        expect_text(page, "#item-name", "by_address")
        expect_text(page, "#item-status", "FAILED")
        expect_text(page, "#item-message", re.compile("ValueError: no such column"))
        page.get_by_role("log").get_by_text("one line").wait_for()
        page.wait_for_url(f"{client.url}/runs/{run['id']}{end}")
        page.reload()
    assert not page.locator("#executions").is_visible()
    assert problems == []


def test_the_address_follows_what_is_shown(page: Page, client: Client, sql: SqlClient) -> None:
    run, _ = client.run("print('one line')", name="there_and_back")
    session = sql.ready()
    enter(page)
    open_run(page, "there_and_back")
    page.wait_for_url(f"{client.url}/runs/{run['id']}")
    page.get_by_role("link", name="SQL sessions").click()
    page.get_by_role("link", name=session["id"]).click()
    expect_text(page, "#item-name", f"SQL session {session['id']}")
    page.wait_for_url(f"{client.url}/sql/session/{session['id']}")
    page.go_back()
    expect_text(page, "#list-title", "SQL sessions")
    page.get_by_role("link", name=session["id"]).wait_for()
    page.go_back()
    expect_text(page, "#item-name", "there_and_back")
    page.get_by_role("log").get_by_text("one line").wait_for()
    page.go_back()
    expect_text(page, "#list-title", "Runs")
    page.get_by_role("link", name="there_and_back").first.wait_for()
    page.go_forward()
    expect_text(page, "#item-name", "there_and_back")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("/runs/no-such-run", "There is no run with the id no-such-run on this server."),
        ("/runs/no-such-run/logs", "There is no run with the id no-such-run on this server."),
        ("/runs/%3Cb%3E", "There is no run with the id <b> on this server."),
        ("/runs/%zz", "There is no run with the id %zz on this server."),
        ("/sql/session/no-such-session", "There is no SQL session with the id no-such-session on this server."),
    ],
)
def test_an_address_of_nothing_says_so(address: str, problem: str, page: Page, client: Client) -> None:
    client.run("", name="something")
    page.goto(address)
    enter(page)
    expect_text(page, "#problem", problem)
    page.locator("#item").wait_for(state="hidden")
    # From there, one click leads on.
    page.get_by_role("link", name="Runs").click()
    open_run(page, "something")
    expect_text(page, "#problem", "")


def test_a_session_shows_its_statements(page: Page, sql: SqlClient, control: SqlControl, problems: list[str]) -> None:
    control.answer_sql("SELECT hostile", error=HOSTILE)
    long = f"SELECT '{'x' * 2000}' AS n"
    session = sql.ready(runtimeId="small", region="aws-eu-west-1")
    page.goto(f"/sql/session/{session['id']}")
    enter(page)
    expect_text(page, "#item-status", "READY")
    with sql.open(session) as socket:
        socket.run("SELECT 1 AS n")
        socket.run(long)
        socket.run(f"SELECT 2 AS n -- {HOSTILE}")
        _, state = socket.run("SELECT hostile")
        assert (state["state"], socket.receive()["kind"]) == ("failed", "error")
        socket.begin("SLEEP 3600")
        statements = page.locator("#statements tr")
        statements.nth(4).wait_for()
        assert statements.first.inner_text().startswith("SLEEP 3600")
        states = [text.split()[-1] for text in statements.all_inner_texts()]
        assert states == ["running", "failed", "succeeded", "succeeded", "succeeded"]
        assert HOSTILE in statements.nth(1).inner_text()
        assert HOSTILE in statements.nth(2).inner_text()
        assert "(cut: the statement has" in statements.nth(3).inner_text()
        assert len(statements.nth(3).inner_text()) < 1200
        facts = page.locator("#facts").inner_text()
        assert all(text in facts for text in ("small", "aws-eu-west-1"))
    control.end_sql_session(session["id"], message="ended for the page")
    expect_text(page, "#item-status", "DESTROYED")
    expect_text(page, "#item-message", "ended for the page")
    assert not page.locator("#log-box").is_visible()
    assert page.locator("img, #statements script").count() == 0
    assert page.title() == f"DESTROYED SQL session {session['id']}"
    assert problems == []


def test_the_cancel_button_cancels(page: Page, client: Client) -> None:
    enter(page)
    run = client.create(HELD, name="cancelled_on_the_page")
    client.wait(run["id"], "RUNNING")
    open_run(page, "cancelled_on_the_page")
    page.get_by_role("button", name="Cancel the run").click()
    expect_text(page, "#item-status", "CANCELLED")
    assert client.get(run["id"])["status"] == "CANCELLED"


def test_names_lines_and_messages_are_no_html(page: Page, client: Client, problems: list[str]) -> None:
    # The API allows no such name. The page does not rely on that.
    replace_in_responses(page, r"/_control/runs(/\w+)?(\?|$)", "hostile_name", HOSTILE.replace('"', '\\"'))
    source = f"print({HOSTILE!r})\nprint('\\x1b[31m\\u202e')\nraise ValueError({HOSTILE!r})\n"
    run = client.create(source, name="hostile_name")
    client.wait(run["id"], "FAILED")
    enter(page)
    page.get_by_role("link", name=HOSTILE).first.wait_for()
    assert HOSTILE in page.locator("#rows .message").first.inner_text()
    page.get_by_role("link", name=HOSTILE).first.click()
    log = page.get_by_role("log")
    log.get_by_text("ValueError: <script>").wait_for()
    expect_text(page, "#item-name", HOSTILE)
    assert log.locator("div").first.inner_text().endswith(HOSTILE)
    assert HOSTILE in page.locator("#item-message").inner_text()
    assert page.locator("img, #log script").count() == 0
    assert page.title() == f"FAILED {HOSTILE}"
    assert problems == []


def test_only_the_end_of_a_long_log_is_shown(page: Page, client: Client) -> None:
    run, _ = client.run("for n in range(12_345): print('line', n)\nprint('x' * 100_000)", name="long_log")
    enter(page)
    open_run(page, "long_log")
    expect_text(page, "#log-note", re.compile(r"^The last 5000 lines; 7346 earlier ones are not shown\."))
    lines = page.locator("#log > div")
    assert lines.count() == 5000
    assert lines.first.inner_text().endswith("line 7346")
    assert lines.last.inner_text().endswith("(cut: the line has 100000 characters)")
    assert len(lines.last.inner_text()) < 5000
    # Lines that come later push the first ones out.
    client.request("POST", f"/_control/runs/{run['id']}/logs", json={"items": [{"raw": "a late line"}]})
    page.get_by_role("log").get_by_text("a late line").wait_for()
    assert lines.count() == 5000
    expect_text(page, "#log-note", re.compile(r"7347 earlier ones"))


@pytest.mark.parametrize(
    ("address", "link"),
    [("http://127.0.0.1:4040/", "http://127.0.0.1:4040/"), ("javascript:document.title='owned'", None), ("x", None)],
)
def test_the_spark_ui_is_linked_by_http_only(
    address: str, link: str | None, page: Page, client: Client, control: SqlControl
) -> None:
    name = f"spark_{'linked' if link else 'not_linked'}"
    run, _ = client.run("", name=name)
    client.request("PATCH", f"/_control/runs/{run['id']}", json={"kubeApp": {"spark_ui_url": address}})
    enter(page)
    open_run(page, name)
    expect_text(page, "#item-status", "COMPLETED")
    assert page.locator("#spark").get_attribute("href") == link
    assert page.locator("#spark").is_visible() == (link is not None)


def test_a_server_that_ends_and_comes_back_is_noticed(chromium: Browser, tmp_path: Path) -> None:
    # Nobody else gets the port meanwhile.
    held = HeldPort()
    with LocalServer(tmp_path, api_key=KEY, port=held.number) as server:
        page = chromium.new_page(base_url=server.url)
        page.goto("/")
        enter(page)
        expect_text(page, "#count", "No runs yet. A run that a client creates appears here.")
    try:
        expect_text(page, "#problem", "The server does not answer. Trying again…")
        with LocalServer(tmp_path, api_key=KEY, port=held.number) as server:
            Client(server.url, server.root).run("", name="after_the_restart")
            page.get_by_role("link", name="after_the_restart").wait_for(timeout=PATIENCE_MS)
            expect_text(page, "#problem", "")
    finally:
        page.close()
        held.release()


def test_the_pictures_in_the_documentation(chromium: Browser, tmp_path: Path) -> None:
    """Light and dark, wide and narrow: nothing is wider than the window. Also makes the pictures."""
    with LocalServer(tmp_path / "root", api_key=KEY) as server:
        client = Client(server.url, server.root)
        client.run("print('1234 hail cells')", name="hail_stats_daily", runtime="tiny")
        client.run(
            "raise ValueError('no such column: geometry_4326')",
            name="buildings.nearest_airport",
            runtime="tiny",
            status="FAILED",
        )
        client.run("", name="areas.bbox_area-8f31c2d97a0b4e", runtime="micro")
        held = client.create(JOINING, name="zonal_stats_europe", runtime="medium")
        client.wait(held["id"], "RUNNING")
        screenshots = Screenshots(tmp_path)
        for width, scheme in ((400, "dark"), (1280, "light")):
            page = chromium.new_page(
                base_url=server.url,
                viewport={"width": width, "height": 420},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale="en-US",
                timezone_id="UTC",
            )
            replace_in_responses(page, r"/logs", str(server.root), "/home/me/data")
            page.goto("/")
            enter(page)
            page.get_by_role("link", name="zonal_stats_europe").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width == 1280:
                screenshots.take(page, "local-status-page")
            open_run(page, "zonal_stats_europe")
            page.get_by_role("log").get_by_text("Joining").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.go_back()
            open_run(page, "buildings.nearest_airport")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.unroute_all(behavior="wait")
            page.close()
