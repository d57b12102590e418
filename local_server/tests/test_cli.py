"""The server as a process of its own: start, ready file, https, and every way to end it."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from dev.waiting import wait_for
from local_server.tests.started import MODULE, Started
from local_server.tests.support import KEY, Client
from wherobots_local import ControlClient, LocalServer

SCRIPT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(os.getpid(), os.getppid(), child.pid)
print("up")
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    server = Started(tmp_path)
    yield server
    server.end()


def start_a_run(server: Started) -> list[int]:
    client = Client(server.ready["url"], server.root, server.ready["api_key"])
    run = client.create(SCRIPT)
    client.wait_for_line(run["id"], "up")
    return [int(pid) for pid in client.lines(run["id"])[0].split()]


def assert_all_end(pids: list[int]) -> None:
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="the processes to end")


def test_what_is_shown_and_told(started: Started) -> None:
    ready = started.ready
    assert ready == {
        "url": f"http://127.0.0.1:{ready['port']}",
        "port": ready["port"],
        "pid": started.process.pid,
        "root": str(started.root),
        "api_key": ready["api_key"],
    }
    assert stat.S_IMODE(started.ready_file.stat().st_mode) == 0o600
    wait_for(lambda: "Ctrl-C" in started.printed(), what="what is said at the start")
    assert ready["url"] in started.printed()
    assert f"API key: {ready['api_key']}" in started.printed()
    assert "Airflow connection: export AIRFLOW_CONN_WHEROBOTS_DEFAULT=" in started.printed()


def test_a_given_key_is_not_shown(tmp_path: Path) -> None:
    server = Started(tmp_path, key=KEY)
    try:
        assert "api_key" not in server.ready
        wait_for(lambda: "Ctrl-C" in server.printed(), what="what is said at the start")
        assert KEY not in server.printed()
        answer = requests.get(f"{server.ready['url']}/runs", headers={"X-API-Key": KEY}, timeout=30)
        assert answer.status_code == 200
    finally:
        server.end()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_signals_end_the_server_and_its_runs(number: signal.Signals, code: int, started: Started) -> None:
    pids = start_a_run(started)
    started.process.send_signal(number)
    assert started.process.wait(60) == code
    assert_all_end(pids)
    assert not started.ready_file.exists()
    assert "Traceback" not in started.printed()


def test_a_killed_server_leaves_no_run_behind(started: Started) -> None:
    pids = start_a_run(started)
    started.process.kill()
    started.process.wait()
    assert_all_end(pids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", ""], "error: --root is empty"),
        (["--host", "0.0.0.0"], "--allow-remote"),  # noqa: S104 - refused is what is tested
        (["--port", "99999"], "error: --port is 99999"),
        (["--max-parallel-runs", "0"], "--max-parallel-runs is 0"),
        (["--certfile", "x.pem"], "given together"),
        (["--host-name", "a b"], "--host-name has 'a b'"),
        (["--behaviour", "/no/such/file"], "--behaviour is '/no/such/file'"),
        (["--ready-file", "/no/such/folder/ready.json"], "--ready-file is"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, tmp_path: Path) -> None:
    command = [*MODULE, "--root", str(tmp_path), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_named(started: Started, tmp_path: Path) -> None:
    command = [*MODULE, "--root", str(tmp_path), "--port", str(started.ready["port"])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"--port is {started.ready['port']}" in result.stderr
    assert "Address already in use; choose another port, or 0 for a free one" in result.stderr


def test_https(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    certfile, keyfile = certificate
    with LocalServer(tmp_path / "root", api_key=KEY, certfile=certfile, keyfile=keyfile) as server:
        assert server.url.startswith("https://127.0.0.1:")
        client = Client(server.url, server.root, verify=str(certfile))
        _, lines = client.run("print('over TLS')")
        assert lines == ["over TLS"]
        server.control.add_fault("createJobRun", "lose_answer", times=1)
        server.control.add_fault("createJobRun", "reset", times=1)
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                client.request("POST", "/runs", json={"name": "never_answered", "runPython": {"uri": "s3://b/x.py"}})
        assert server.control.counts()["creates_effective"] == 2


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("x")
    command = [*MODULE, "--root", str(tmp_path), "--port", "0", "--certfile", str(file), "--keyfile", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"certfile {file} or keyfile {file} cannot be used" in result.stderr


def test_a_control_client_does_not_show_its_key() -> None:
    assert KEY not in repr(ControlClient("http://127.0.0.1:1", KEY))


def test_nothing_of_airflow_is_imported() -> None:
    code = (
        "import sys, wherobots_local.cli; "
        "packages = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(packages & {'airflow', 'aiohttp', 'requests'}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"
