"""What a server leaves on its root, and what the next one makes of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.paging import pages_of
from local_server.tests.started import Started
from local_server.tests.support import FOREVER, KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import LocalServer, SettingsError


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Started]]:
    servers: list[Started] = []
    yield servers
    for server in servers:
        server.end()


def listed(client: Client) -> list[tuple[str, str]]:
    items = client.request("GET", "/runs").json()["items"]
    return [(item["name"], item["status"]) for item in items]


def paged(client: Client, run_id: str, size: int) -> list[str]:
    return [raw for page in pages_of(client, run_id, size) for _, raw in page]


def record_of(root: Path, run_id: str) -> Path:
    return root / ".wherobots-local" / "runs" / run_id / ".run" / "run.json"


def backdate(root: Path, run_id: str, **age: float) -> None:
    path = record_of(root, run_id)
    record = json.loads(path.read_text())
    record["completed_at"] = (datetime.now(UTC) - timedelta(**age)).isoformat()
    path.write_text(json.dumps(record))


def test_runs_survive_a_kill(started: list[Started], tmp_path: Path) -> None:
    started.append(first := Started(tmp_path, key=KEY))
    client = first.client()
    done, lines = client.run("for n in range(50): print('line', n)\n", name="completed_run")
    failed, _ = client.run("raise SystemExit(3)", name="a_failed_run", status="FAILED")
    active, _ = client.begin(name="an_active_run")
    first.control().behaviour(start_delay_seconds=600)
    waiting = client.create(FOREVER, name="a_waiting_run")
    synthetic = first.control().create_run("synthetic_run")
    before = {run["id"]: client.get(run["id"]) for run in (done, failed)}
    first.kill()

    started.append(second := Started(tmp_path, key=KEY))
    client = second.client()
    assert listed(client) == [
        ("synthetic_run", "FAILED"),
        ("a_waiting_run", "FAILED"),
        ("an_active_run", "FAILED"),
        ("a_failed_run", "FAILED"),
        ("completed_run", "COMPLETED"),
    ]
    assert {run_id: client.get(run_id) for run_id in before} == before
    assert paged(client, done["id"], 7) == lines == [f"line {n}" for n in range(50)]
    for run_id, status in ((active, "RUNNING"), (waiting["id"], "PENDING"), (synthetic["id"], "PENDING")):
        ended = client.get(run_id)
        reason = f"The local server was killed or crashed while the run was {status}."
        assert ended["kubeApp"]["message"].startswith(reason)
        assert ended["kubeApp"]["events"][-1]["code"] == "RUN_FAIL_EXEC"
        assert ended["completeTime"] is not None
        assert client.lines(run_id)[-1] == f"ERROR: {ended['kubeApp']['message']}"
    assert client.lines(active)[1] == "up"

    again, _ = client.run("", name="a_later_run")
    assert listed(client)[0] == ("a_later_run", "COMPLETED")
    assert again["id"] not in before


def test_no_temporary_folder_survives(started: list[Started], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    def left() -> set[str]:
        return {path.name for path in temporary.glob("wl-*")}

    (other := temporary / "wl-other").mkdir()
    (other / "tmp").symlink_to(tmp_path)
    started.append(first := Started(tmp_path, key=KEY))
    first.client().begin()
    first.kill()
    assert len(left()) == 2
    started.append(Started(tmp_path, key=KEY))
    assert left() == {"wl-other"}


def test_runs_survive_a_stop(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY) as server:
        run_id, _ = Client(server.url, server.root).begin()
    with LocalServer(tmp_path, api_key=KEY) as server:
        client = Client(server.url, server.root)
        ended = client.get(run_id)
        assert (ended["status"], ended["kubeApp"]["message"]) == ("CANCELLED", "The local server was stopped")
        assert client.lines(run_id)[1:] == ["up"]


UNREADABLE = ["", "{", "[]", "[" * 100_000, '{"status": "FAILED"}']
WRONG_FIELDS: list[dict[str, Any]] = [{"created_at": None}, {"updated_at": None}, {"id": "../../bucket"}]


def test_a_server_that_is_started_again_listens_when_start_returns(tmp_path: Path) -> None:
    server = LocalServer(tmp_path, api_key=KEY)
    for _ in range(3):
        server.start()
        try:
            assert listed(Client(server.url, tmp_path)) == []
        finally:
            server.stop()


def test_records_that_cannot_be_read_are_left_out_and_lead_nowhere(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY) as server:
        script = Client(server.url, server.root).script("")
        ids = [server.control.create_run(f"run_number_{number}")["id"] for number in range(9)]
        for run_id in ids:
            server.control.patch_run(run_id, status="COMPLETED")
    good, *bad = ids
    contents: list[str | dict[str, Any]] = [*UNREADABLE, *WRONG_FIELDS]
    for run_id, content in zip(bad, contents, strict=True):
        path = record_of(tmp_path, run_id)
        # So old that it would be removed.
        backdate(tmp_path, run_id, days=30)
        path.write_text(
            content if isinstance(content, str) else json.dumps({**json.loads(path.read_text()), **content})
        )
    with LocalServer(tmp_path, api_key=KEY) as server:
        client = Client(server.url, server.root)
        wait_for(lambda: listed(client) == [("run_number_0", "COMPLETED")], what="the old run to be removed")
    assert record_of(tmp_path, good).exists()
    assert (tmp_path / script.removeprefix("s3://")).exists()


def test_a_log_that_cannot_be_continued_does_not_stop_the_next_server(started: list[Started], tmp_path: Path) -> None:
    started.append(first := Started(tmp_path, key=KEY))
    client = first.client()
    unreadable, _ = client.begin()
    first.kill()
    index = record_of(first.root, unreadable).with_name("log.index")
    index.unlink()
    index.mkdir()

    started.append(second := Started(tmp_path, key=KEY))
    client = second.client()
    assert client.get(unreadable)["status"] == "FAILED"
    assert client.request("GET", f"/runs/{unreadable}/logs").status_code == 404


def test_a_root_belongs_to_one_server(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY), pytest.raises(SettingsError, match="which another local server uses"):
        LocalServer(tmp_path, api_key=KEY).start()
    with LocalServer(tmp_path, api_key=KEY):
        pass


def test_many_runs_are_recorded(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY) as server:
        runs = [server.control.create_run(f"synthetic_run_{number}")["id"] for number in range(60)]
        for run_id in runs:
            server.control.patch_run(run_id, status="RUNNING")
        wait_for(
            lambda: {json.loads(record_of(tmp_path, run_id).read_text())["status"] for run_id in runs} == {"RUNNING"},
            what="the records to be written",
        )
        for run_id in runs:
            server.control.patch_run(run_id, status="COMPLETED")
    with LocalServer(tmp_path, api_key=KEY) as server:
        found = listed(Client(server.url, server.root))
        assert found == [(f"synthetic_run_{number}", "COMPLETED") for number in reversed(range(10, 60))]


def test_surrogates_and_metrics_survive_too(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY) as server:
        run = server.control.create_run("synthetic_run", runPython={"uri": "s3://b/x.py", "args": ["\ud800", "ü"]})
        server.control.insert_logs(run["id"], [{"timestamp": 7, "raw": "\ud800\n|ü"}])
        server.control.patch_run(run["id"], kubeApp={"spark_ui_url": "https://spark/"}, status="COMPLETED")
        before = Client(server.url, server.root).get(run["id"])
    with LocalServer(tmp_path, api_key=KEY) as server:
        client = Client(server.url, server.root)
        assert client.get(run["id"]) == before
        assert client.lines(run["id"]) == ["\ud800\n|ü"]


def three_runs(root: Path) -> list[str]:
    with LocalServer(root, api_key=KEY) as server:
        client = Client(server.url, server.root)
        return [client.run("", name=f"run_number_{number}")[0]["id"] for number in range(3)]


def folders(root: Path) -> set[str]:
    return {path.name for path in (root / ".wherobots-local" / "runs").iterdir()}


def serve_until(condition: Any, root: Path, **settings: Any) -> list[tuple[str, str]]:
    with LocalServer(root, api_key=KEY, **settings) as server:
        wait_for(condition, what="the folders to be removed")
        return listed(Client(server.url, server.root))


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    for run_id in runs:
        backdate(tmp_path, run_id, hours=2)
    found = serve_until(lambda: folders(tmp_path) == set(runs[1:]), tmp_path, keep_runs=2)
    assert found == [("run_number_2", "COMPLETED"), ("run_number_1", "COMPLETED")]


def test_old_runs_go(tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    backdate(tmp_path, runs[1], days=4)
    assert len(serve_until(lambda: folders(tmp_path) == {runs[0], runs[2]}, tmp_path, keep_days=3)) == 2


def test_runs_are_removed_after_the_end_of_another_but_not_before_an_hour(tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    backdate(tmp_path, runs[0], hours=2)
    with LocalServer(tmp_path, api_key=KEY, keep_runs=3) as server:
        client = Client(server.url, server.root)
        assert len(listed(client)) == 3
        new, _ = client.run("", name="run_number_3")
        kept = {*runs[1:], new["id"]}
        wait_for(lambda: folders(tmp_path) == kept, what="the folder to be removed")
        assert client.request("GET", f"/runs/{runs[0]}").status_code == 404
    with LocalServer(tmp_path, api_key=KEY, keep_runs=0) as server:
        client = Client(server.url, server.root)
        new, _ = client.run("", name="run_number_4")
        assert folders(tmp_path) == {*kept, new["id"]}
