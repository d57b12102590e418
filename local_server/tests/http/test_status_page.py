"""The status page: who gets it, and what its calls answer."""

import re
from pathlib import Path

import pytest
import requests

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, Client
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


# The answer to GET /


def test_a_browser_gets_the_page_and_curl_a_few_lines(server: LocalServer, control: SqlControl) -> None:
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


ADDRESSES = ("/runs", "/runs/an_id", "/runs/an_id/logs", "/sql/sessions", "/sql/session/an_id", "/workloads")
"""What clients print, or show as a link."""


@pytest.mark.parametrize("address", ["/", *ADDRESSES])
def test_a_browser_gets_the_page_at_printed_addresses(address: str, server: LocalServer, control: SqlControl) -> None:
    control.add_fault("*", "reset")
    page = requests.get(f"{server.url}{address}", headers=BROWSER, timeout=30)
    root = requests.get(f"{server.url}/", headers=BROWSER, timeout=30)
    assert (page.status_code, page.text) == (200, root.text)
    names = ("Content-Type", "Content-Security-Policy", "Vary", "Cache-Control")
    assert [page.headers[name] for name in names] == [root.headers[name] for name in names]
    assert page.headers["Vary"] == "Accept"
    assert control.counts()["operations"] == {}
    elsewhere = {**BROWSER, "Host": f"evil.example:{server.port}"}
    assert requests.get(f"{server.url}{address}", headers=elsewhere, timeout=30).status_code == 403


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "*/*"}),
        ("GET", {"Accept": "application/json"}),
        ("GET", {"Accept": None}),
        ("HEAD", BROWSER),
        ("GET", {**BROWSER, "X-API-Key": KEY}),
        ("GET", {**BROWSER, "X-API-Key": ""}),
        ("GET", {**BROWSER, "Authorization": f"Bearer {KEY}"}),
    ],
)
def test_a_client_of_the_api_gets_its_answer_there(
    method: str, headers: dict[str, str | None], address: str, server: LocalServer, control: SqlControl
) -> None:
    answer = requests.request(method, f"{server.url}{address}", headers=headers, timeout=30)
    known = 200 if address in ("/runs", "/sql/sessions") else 404
    has_key = KEY in str(headers)
    assert answer.status_code == (404 if address == "/workloads" else known if has_key else 401)
    assert answer.headers["Content-Type"] == "application/json"
    assert "Vary" not in answer.headers
    assert len(control.requests()) == (address != "/workloads")


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


def test_the_pages_calls_meet_no_fault_and_no_switch_and_are_not_counted(client: Client, control: SqlControl) -> None:
    run, lines = client.run("print('one')\nprint('two')")
    control.behaviour(list_delay_seconds=3600, log_delay_seconds=3600, log_cursor="opaque")
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


def test_the_list_of_sessions_can_leave_out_their_statements(sql: SqlClient, control: SqlControl) -> None:
    session = sql.ready()
    (brief,) = (
        one
        for one in sql.request("GET", "/_control/sql/sessions?brief=1").json()["sessions"]
        if one["id"] == session["id"]
    )
    assert brief == {key: value for key, value in control.sql_session(session["id"]).items() if key in brief}
    assert "executions" not in brief
