"""The status page in a real Chromium: what it shows, what it does, and that nothing in a run becomes part of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from dev.places import TREE
from local_server.tests.support import KEY, Client
from tests.browser.screenshots import WRITE_VARIABLE, Screenshots
from wherobots_local import ControlClient, LocalServer

if TYPE_CHECKING:
    # Playwright is in one environment only; these tests are collected in all of them.
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.once

PATIENCE_MS = 30_000
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HELD = """
import os, time
print("first line", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
print("last line")
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
        context.close()


def enter(page: Page, key: str = KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Show the runs").click()


def open_run(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name=name).wait_for()


def expect_text(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(text, timeout=PATIENCE_MS)


# The answer to GET /


def test_a_browser_gets_the_page_and_curl_a_few_lines(server: LocalServer, control: ControlClient) -> None:
    control.add_fault("*", "reset")
    page = requests.get(f"{server.url}/", headers=BROWSER, timeout=30)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in re.sub(r'"https?:"', "", page.text), "an address outside"
    assert KEY not in page.text

    text = requests.get(f"{server.url}/", headers={"Accept": "*/*"}, timeout=30)
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "GET /runs" in text.text
    assert control.counts()["operations"] == {}


def test_the_page_is_for_the_servers_own_names_only(server: LocalServer) -> None:
    headers = {**BROWSER, "Host": f"evil.example:{server.port}"}
    assert requests.get(f"{server.url}/", headers=headers, timeout=30).status_code == 403


# The calls of the page


def test_the_pages_calls_need_the_key(client: Client, server: LocalServer) -> None:
    run = client.create("")
    for method, path in (
        ("GET", "/runs"),
        ("GET", f"/runs/{run['id']}"),
        ("GET", f"/runs/{run['id']}/logs"),
        ("POST", f"/runs/{run['id']}/cancel"),
    ):
        assert requests.request(method, f"{server.url}/_control{path}", timeout=30).status_code == 401
        assert client.request(method, f"/_control{path}").status_code == 200
    assert client.request("GET", "/_control/runs/unknown").status_code == 404


def test_the_pages_calls_meet_no_fault_and_no_switch_and_are_not_counted(
    client: Client, control: ControlClient
) -> None:
    run, lines = client.run("print('one')\nprint('two')")
    control.behaviour(list_delay_seconds=3600, log_delay_seconds=3600, log_cursor="opaque", kube_app_null_seconds=3600)
    control.clear_requests()
    control.add_fault("*", "reset")
    listed = client.request("GET", "/_control/runs?size=1").json()["items"]
    assert [item["id"] for item in listed] == [run["id"]]
    assert client.request("GET", f"/_control/runs/{run['id']}").json()["kubeApp"] is not None
    page = client.request("GET", f"/_control/runs/{run['id']}/logs").json()
    assert [item["raw"] for item in page["items"]] == lines
    assert Path(page["log_file"]).read_text().splitlines() == lines
    client.request("POST", f"/_control/runs/{run['id']}/cancel")
    assert control.counts()["operations"] == {}
    assert control.faults()[0]["applied"] == 0


def test_a_page_of_a_log_begins_near_its_end(client: Client) -> None:
    run, _ = client.run("for n in range(100): print(n)")
    path = f"/_control/runs/{run['id']}/logs"
    first = client.request("GET", f"{path}?last=10&size=4").json()
    assert ([item["raw"] for item in first["items"]], first["left_out"]) == (["90", "91", "92", "93"], 90)
    assert first["more"] is True
    following = client.request("GET", f"{path}?last=10&cursor={first['next_page']}").json()
    assert ([item["raw"] for item in following["items"]], following["left_out"]) == (list(map(str, range(94, 100))), 0)
    # A client that is too slow jumps ahead too.
    jumped = client.request("GET", f"{path}?last=2&cursor={first['next_page']}").json()
    assert ([item["raw"] for item in jumped["items"]], jumped["left_out"]) == (["98", "99"], 4)
    caught_up = client.request("GET", f"{path}?cursor={jumped['next_page']}").json()
    assert (caught_up["items"], caught_up["left_out"]) == ([], 0)
    assert (following["more"], jumped["more"], caught_up["more"]) == (False, False, False)
    assert client.request("GET", f"{path}?cursor=made-up").status_code == 400
    assert client.request("GET", f"{path}?last=0").status_code == 422


@pytest.mark.parametrize("timestamp", [0, 5])
def test_lines_of_one_time_are_not_counted_as_left_out_if_they_are_shown(
    client: Client, control: ControlClient, timestamp: int
) -> None:
    run_id = control.create_run("one-time")["id"]
    control.insert_logs(run_id, [{"timestamp": timestamp, "raw": str(number)} for number in range(20)])
    answer = client.request("GET", f"/_control/runs/{run_id}/logs?last=5")
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert (len(page["items"]), page["left_out"]) == (20, 0)


def test_a_page_that_its_bytes_have_cut_says_that_there_is_more(client: Client) -> None:
    run, _ = client.run("for n in range(3): print(str(n) * 1_500_000)")
    path = f"/_control/runs/{run['id']}/logs"
    page = client.request("GET", path).json()
    assert page["more"]
    texts = [item["raw"] for item in page["items"]]
    while page["more"]:
        page = client.request("GET", f"{path}?cursor={page['next_page']}").json()
        texts += [item["raw"] for item in page["items"]]
    assert "".join(texts) == "".join(str(n) * 1_500_000 for n in range(3))


# In Chromium


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


def test_a_key_that_no_header_can_hold_is_not_valid(page: Page) -> None:
    enter(page, "ключ")
    expect_text(page, "#problem", "The API key is not valid.")
    page.get_by_label("API key").wait_for()


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
    run = client.create(HELD, name="followed_log")
    open_run(page, "followed_log")
    log = page.get_by_role("log", name="Log of the run")
    log.get_by_text("first line").wait_for()
    assert log.get_by_text("last line").count() == 0
    (client.root / ".wherobots-local" / "runs" / run["id"] / "go").touch()
    log.get_by_text("last line").wait_for()
    expect_text(page, "#run-status", "COMPLETED")
    assert log.locator("div").count() == 2
    assert not page.get_by_role("button", name="Cancel the run").is_visible()
    expect_text(page, "#log-note", re.compile(r"The whole log: /.*/log\.txt$"))
    page.go_back()
    page.get_by_role("heading", name="Runs").wait_for()


def test_the_cancel_button_cancels(page: Page, client: Client) -> None:
    enter(page)
    run = client.create(HELD, name="cancelled_on_the_page")
    client.wait(run["id"], "RUNNING")
    open_run(page, "cancelled_on_the_page")
    page.get_by_role("button", name="Cancel the run").click()
    expect_text(page, "#run-status", "CANCELLED")
    assert client.get(run["id"])["status"] == "CANCELLED"


def test_a_cancel_that_fails_says_so(page: Page, client: Client) -> None:
    enter(page)
    run = client.create(HELD, name="not_cancelled")
    client.wait(run["id"], "RUNNING")
    open_run(page, "not_cancelled")
    page.route("**/cancel", lambda route: route.fulfill(status=500, json={"errors": [{"details": "no luck"}]}))
    page.get_by_role("button", name="Cancel the run").click()
    expect_text(page, "#problem", "The run was not cancelled: no luck")
    with page.expect_response(re.compile("/logs")):
        pass
    with page.expect_response(re.compile("/logs")):
        pass
    expect_text(page, "#problem", "The run was not cancelled: no luck")
    client.cancel(run["id"])


def test_names_lines_and_messages_never_become_part_of_the_page(
    page: Page, client: Client, problems: list[str]
) -> None:
    # The API allows no such name. The page does not rely on that.
    page.route(
        re.compile(r"/_control/runs(/\w+)?(\?|$)"),
        lambda route: (
            lambda answer: route.fulfill(
                response=answer, body=answer.text().replace("hostile_name", HOSTILE.replace('"', '\\"'))
            )
        )(route.fetch()),
    )
    source = f"print({HOSTILE!r})\nprint('\\x1b[31m\\u202e')\nraise ValueError({HOSTILE!r})\n"
    run = client.create(source, name="hostile_name")
    client.wait(run["id"], "FAILED")
    enter(page)
    page.get_by_role("link", name=HOSTILE).first.wait_for()
    assert HOSTILE in page.locator("#rows .message").first.inner_text()
    page.get_by_role("link", name=HOSTILE).first.click()
    log = page.get_by_role("log")
    log.get_by_text("ValueError: <script>").wait_for()
    expect_text(page, "#run-name", HOSTILE)
    assert log.locator("div").first.inner_text().endswith(HOSTILE)
    assert HOSTILE in page.locator("#run-message").inner_text()
    assert page.locator("img, #log script").count() == 0
    assert page.title() == f"FAILED {HOSTILE}"
    assert problems == []


def test_even_a_script_in_the_page_would_not_run(page: Page, problems: list[str]) -> None:
    page.evaluate(
        "document.body.append(document.createRange().createContextualFragment('<script>window.x=1</script>'))"
    )
    assert page.evaluate("window.x") is None
    assert any("Content Security Policy" in text for text in problems)


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
    address: str, link: str | None, page: Page, client: Client, control: ControlClient
) -> None:
    name = f"spark_{'linked' if link else 'not_linked'}"
    run, _ = client.run("", name=name)
    client.request("PATCH", f"/_control/runs/{run['id']}", json={"kubeApp": {"spark_ui_url": address}})
    enter(page)
    open_run(page, name)
    expect_text(page, "#run-status", "COMPLETED")
    assert page.locator("#spark").get_attribute("href") == link
    assert page.locator("#spark").is_visible() == (link is not None)


def test_a_server_that_ends_and_comes_back_is_noticed(chromium: Browser, tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY) as server:
        port, page = server.port, chromium.new_page(base_url=server.url)
        page.goto("/")
        enter(page)
        expect_text(page, "#count", "No runs yet. A run that a client creates appears here.")
    try:
        expect_text(page, "#problem", "The server does not answer. Trying again…")
        with LocalServer(tmp_path, api_key=KEY, port=port) as server:
            Client(server.url, server.root).run("", name="after_the_restart")
            page.get_by_role("link", name="after_the_restart").wait_for(timeout=PATIENCE_MS)
            expect_text(page, "#problem", "")
    finally:
        page.close()


def test_the_picture_in_the_documentation(chromium: Browser, tmp_path: Path) -> None:
    """Light and dark, wide and narrow: nothing is wider than the window. Also makes the picture."""
    with LocalServer(tmp_path / "root", api_key=KEY) as server:
        client = Client(server.url, server.root)
        client.run("print('1234 hail cells')", name="hail_stats_daily", runtime="tiny")
        client.run(
            "raise ValueError('no such column: geometry_4326')",
            name="buildings.nearest_airport",
            runtime="tiny",
            status="FAILED",
        )
        client.run("", name="bbox_area-8f31c2d97a0b4e15", runtime="micro")
        held = client.create(HELD, name="zonal_stats_europe", runtime="medium")
        client.wait(held["id"], "RUNNING")
        for width, scheme in ((400, "dark"), (1280, "light")):
            page = chromium.new_page(
                base_url=server.url,
                viewport={"width": width, "height": 420},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale="en-US",
                timezone_id="UTC",
            )
            page.goto("/")
            enter(page)
            page.get_by_role("link", name="zonal_stats_europe").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width == 1280:
                wanted = os.environ.get(WRITE_VARIABLE) == "1"
                Screenshots(TREE / "docs" / "images" if wanted else tmp_path).take(page, "local-status-page")
            open_run(page, "buildings.nearest_airport")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.close()
