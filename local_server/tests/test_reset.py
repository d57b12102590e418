"""``POST /_control/reset``: what it removes, what it leaves, and what those see who come meanwhile."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed

from local_server.tests.made_up_files import make_endless_package
from local_server.tests.sql_support import SqlClient
from local_server.tests.started import Started
from local_server.tests.support import KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, ControlError, LocalServer
from wherobots_local.execution.virtual_environments import COMPLETE

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1], "w").close())
child = os.fork()
if child:
    print(os.getpid(), child)
    print("up")
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with LocalServer(
        tmp_path / "root", api_key=KEY, behaviour={"sql_synthetic": True, "name_filter": "substring"}
    ) as it:
        yield it


@pytest.fixture
def control(server: LocalServer) -> ControlClient:
    return server.control


@pytest.fixture
def sql(server: LocalServer) -> SqlClient:
    return SqlClient(server.url, server.root)


def own(server: LocalServer) -> Path:
    return server.root / ".wherobots-local"


def kept(server: LocalServer) -> list[str]:
    """The files that were moved, without the folder that says when."""
    folder = own(server) / "storage-before-reset"
    return sorted(path.relative_to(folder).as_posix().partition("/")[2] for path in folder.rglob("*") if path.is_file())


def half_sent(server: LocalServer, request: requests.PreparedRequest) -> socket.socket:
    """Send a request but for the last byte of its body."""
    assert isinstance(request.body, bytes)
    connection = socket.create_connection(("127.0.0.1", server.port))
    lines = [f"{request.method} {request.path_url} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + request.body[:-1])
    return connection


def status_after(connection: socket.socket, rest: bytes) -> int:
    connection.sendall(rest)
    return int(connection.recv(4096).split()[1])


def test_nothing_is_left(server: LocalServer, client: Client, control: ControlClient, sql: SqlClient) -> None:
    before = control.behaviour()
    run, _ = client.run("print('done')")
    active, (pid,) = client.begin()
    control.create_run("synthetic_run")
    session = sql.ready()
    control.behaviour(name_filter="exact", cancel_finished_status=409, cancel_delay_seconds=600)
    control.add_fault("listQuotas", {"type": "status", "status": 503})
    control.answer_sql("SELECT 1", error="no")
    (server.root / "more" / "deep").mkdir(parents=True)
    (server.root / "more" / "deep" / "data.csv").write_text("1")

    control.reset()

    assert not psutil.pid_exists(pid)
    assert (control.runs(), control.requests(), control.faults(), control.sql_sessions()) == ([], [], [], [])
    assert control.counts()["operations"] == {}
    assert control.behaviour() == before
    assert before["sql_synthetic"]
    assert os.listdir(server.root) == [".wherobots-local"]
    assert os.listdir(own(server) / "runs") == []
    for run_id in (run["id"], active):
        assert client.request("GET", f"/runs/{run_id}").status_code == 404
    assert client.request("GET", f"/sql/session/{session['id']}").status_code == 404
    with sql.open(sql.ready()) as again:
        assert again.rows("SELECT 1") == [{"1": 1}]
    assert client.run("print('again')")[1] == ["again"]


def test_a_reset_server_has_its_first_settings(tmp_path: Path) -> None:
    (tmp_path / "switches.json").write_text('{"name_filter": "exact", "list_delay_seconds": 0}')
    options = ("--like-the-service", "--behaviour", str(tmp_path / "switches.json"))
    with Started(tmp_path, *options, key=KEY) as server:
        control = server.control()
        before = control.behaviour()
        control.behaviour(name_filter="substring", start_delay_seconds=0)
        control.reset()
        assert control.behaviour() == before
        assert (before["name_filter"], before["start_delay_seconds"]) == ("exact", 60)


def test_the_first_key_is_valid_again_and_returned(server: LocalServer, client: Client) -> None:
    server.control.rotate_api_key("another-key")
    with pytest.raises(ControlError, match="401"):
        ControlClient(server.url, KEY).reset()
    answer = Client(server.url, server.root, "another-key").request("POST", "/_control/reset")
    assert (answer.status_code, answer.json()) == (200, {"api_key": KEY})
    assert client.request("GET", "/runs").status_code == 200

    control = server.control
    control.rotate_api_key("a-third-key")
    control.reset()
    assert control.runs() == []
    assert server.api_key == KEY


@pytest.mark.parametrize("switches", [{}, {"cancel_delay_seconds": 600}])
def test_processes_are_gone_that_end_of_themselves_never(
    switches: dict[str, float], server: LocalServer, client: Client, control: ControlClient, tmp_path: Path
) -> None:
    control.behaviour(**switches)
    run_id, pids = client.begin(STUBBORN, str(tmp_path / "told"))
    client.cancel(run_id)
    control.reset()
    assert len(pids) == 2
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert os.listdir(own(server) / "runs") == []


def test_an_installation_is_ended_and_environments_stay(
    server: LocalServer, client: Client, control: ControlClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", tmp_path.as_uri())
    told = tmp_path / "pid"
    make_endless_package(tmp_path, "made_up_slow", told)
    built = own(server) / "environments" / "built"
    built.mkdir(parents=True)
    (built / COMPLETE).touch()
    slow = {"dependencies": [{"sourceType": "PYPI", "libraryName": "made_up_slow", "libraryVersion": "1.0"}]}
    run = client.create(environment=slow)
    pid = int(wait_for(lambda: told.read_text() if told.exists() else "", what="pip to begin"))
    assert client.get(run["id"])["status"] == "PENDING"

    control.reset()

    assert not psutil.pid_exists(pid)
    assert control.runs() == []
    assert built.is_dir()
    # The lock of the environment is free again.
    other = client.create(environment=slow)
    wait_for(lambda: client.lines(other["id"])[:1] == ["Installing made_up_slow==1.0"], what="the installation")


def test_links_are_removed_and_what_they_lead_to_stays(
    server: LocalServer, client: Client, control: ControlClient, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / ".run").mkdir(parents=True)
    (outside / ".run" / "run.json").write_text("{}")
    run, _ = client.run("print('done')")
    for link in ("linked", "bucket/linked", ".wherobots-local/runs/linked", ".wherobots-local/sql"):
        (server.root / link).symlink_to(outside)
    (server.root / "dangling").symlink_to(tmp_path / "nothing")
    of_the_run = own(server) / "runs" / run["id"] / ".run"
    of_the_run.rename(tmp_path / "moved")
    of_the_run.symlink_to(tmp_path / "moved")
    (server.root / ".git").mkdir()
    (server.root / "notes.txt").write_text("beside the buckets")
    for _ in range(2):
        control.reset()
        assert (outside / ".run" / "run.json").read_text() == "{}"
        assert (tmp_path / "moved" / "run.json").exists()
        assert sorted(os.listdir(server.root)) == [".git", ".wherobots-local", "notes.txt"]
        assert os.listdir(own(server) / "runs") == []


def test_the_first_time_the_storage_is_moved(server: LocalServer, client: Client, control: ControlClient) -> None:
    client.script("print('first')", "first.py")
    (own(server) / "sql").mkdir()
    (own(server) / "sql" / "warehouse.duckdb").write_bytes(b"1")
    client.request("GET", "/storage")

    control.reset(storage=False)
    assert (server.root / "bucket" / "first.py").exists()
    assert (control.requests(), kept(server)) == ([], [])

    control.reset()
    assert not (own(server) / "sql").exists()
    assert kept(server) == ["bucket/first.py", "sql/warehouse.duckdb"]

    client.script("print('second')", "second.py")
    control.reset()
    assert os.listdir(server.root) == [".wherobots-local"]
    assert kept(server) == ["bucket/first.py", "sql/warehouse.duckdb"]


def test_storage_that_cannot_be_moved_stays(server: LocalServer, client: Client, control: ControlClient) -> None:
    client.script("print('first')", "first.py")
    in_the_way = own(server) / "storage-before-reset"
    in_the_way.write_text("in the way")
    control.behaviour(cancel_finished_status=409)
    control.rotate_api_key("another-key")
    with pytest.raises(ControlError, match=rf"409: .*{server.root}/bucket: Not a directory"):
        control.reset()
    # Its key is still that of the client, which would be locked out otherwise.
    assert (control.behaviour()["cancel_finished_status"], control.requests()) == (200, [])
    in_the_way.unlink()
    control.reset()
    assert kept(server) == ["bucket/first.py"]
    assert (client.request("GET", "/runs")).status_code == 200


def test_other_requests_wait_for_the_end(
    server: LocalServer, client: Client, control: ControlClient, tmp_path: Path, sql: SqlClient
) -> None:
    run_id, pids = client.begin(STUBBORN, str(tmp_path / "told"))
    session = sql.ready()
    control.behaviour(synthetic_runs=True)
    with ThreadPoolExecutor() as threads:
        reset = threads.submit(control.reset)
        wait_for((tmp_path / "told").exists, what="the reset to begin")
        assert not reset.done()
        calls = [("GET", "/runs"), ("GET", f"/runs/{run_id}"), ("GET", f"/runs/{run_id}/logs"), ("GET", "/storage")]
        calls += [("GET", "/_control/runs"), ("GET", f"/sql/session/{session['id']}")]
        answers = [threads.submit(client.request, method, path) for method, path in calls]
        create = threads.submit(
            client.request, "POST", "/_control/runs", json={"name": "a_new_run", "runPython": {"uri": "s3://a/b"}}
        )
        another = threads.submit(server.control.reset, storage=False)
        assert client.request("GET", "/health").status_code == 200
        assert not reset.done()
        reset.result()
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []
        another.result()
    assert [answer.result().status_code for answer in answers] == [200, 404, 404, 200, 200, 404]
    assert answers[0].result().json()["total"] == answers[4].result().json()["total"] == 0
    assert create.result().status_code == 201


def test_a_late_request_takes_effect_after_it(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True)
    body = {"name": "a_late_run", "runPython": {"uri": "s3://bucket/none.py"}}
    request = client.session.prepare_request(requests.Request("POST", f"{server.url}/runs", json=body))
    with closing(half_sent(server, request)) as connection:
        wait_for(lambda: control.requests("createJobRun"), what="the head of the request")
        control.reset()
        control.behaviour(synthetic_runs=True)
        assert status_after(connection, b"}") == 201
    (entry,) = control.requests()
    assert (entry["name"], entry["effective"]) == ("a_late_run", True)
    assert [run["id"] for run in control.runs()] == [entry["run_id"]]
    assert control.counts()["creates_received"] == 1


def test_an_interrupted_upload_leaves_nothing(server: LocalServer, client: Client, control: ControlClient) -> None:
    (server.root / "bucket").mkdir()
    address = "/files/upload-url"
    url = client.request("POST", address, params={"key": "bucket/new.txt"}).json()["uploadUrl"]
    with closing(half_sent(server, requests.Request("PUT", url, data=b"0123456789").prepare())) as connection:
        uploads = own(server) / "uploads"
        wait_for(lambda: uploads.is_dir() and os.listdir(uploads), what="the upload to begin")
        control.reset()
        assert os.listdir(uploads) == []
        assert status_after(connection, b"9") == 409
    assert os.listdir(uploads) == []
    assert not (server.root / "bucket").exists()
    # The URL was made before.
    assert requests.put(url, data=b"0123456789", timeout=30).status_code == 403


def test_the_connections_of_sessions_end(server: LocalServer, control: ControlClient, sql: SqlClient) -> None:
    with sql.open(sql.ready()) as socket:
        socket.begin("HOLD")
        control.reset()
        with pytest.raises(ConnectionClosed) as ended:
            socket.receive()
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1001, "the local server was reset")
    assert control.requests() == []
