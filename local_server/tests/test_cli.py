"""The server as a process of its own: start, ready file, https, and every way to end it."""

import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from local_server.tests.started import MODULE, Started
from local_server.tests.support import KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer
from wherobots_local.http.protocol import WANTED

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


def assert_all_end(pids: list[int]) -> None:
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="the processes to end")


def test_what_is_printed(started: Started) -> None:
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
    with Started(tmp_path, key=KEY) as server:
        assert "api_key" not in server.ready
        wait_for(lambda: "Ctrl-C" in server.printed(), what="what is said at the start")
        assert KEY not in server.printed()
        answer = requests.get(f"{server.ready['url']}/runs", headers={"X-API-Key": KEY}, timeout=30)
        assert answer.status_code == 200


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_signals_end_the_server_and_its_runs(number: signal.Signals, code: int, started: Started) -> None:
    _, pids = started.client().begin(SCRIPT)
    started.process.send_signal(number)
    assert started.process.wait(60) == code
    assert_all_end(pids)
    assert not started.ready_file.exists()
    assert "Traceback" not in started.printed()


def test_a_killed_server_leaves_no_run_behind(started: Started) -> None:
    _, pids = started.client().begin(SCRIPT)
    started.process.kill()
    started.process.wait()
    assert_all_end(pids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--root", ""], "--root is empty"),
        (["--host", "0.0.0.0"], "--allow-remote"),  # noqa: S104 - refused is what is tested
        (["--port", "99999"], "--port is 99999"),
        (["--max-parallel-runs", "0"], "--max-parallel-runs is 0"),
        (["--certfile", "x.pem"], "given together"),
        (["--host-name", "a b"], "--host-name has 'a b'"),
        (["--behaviour", "/no/such/file"], "--behaviour is '/no/such/file'"),
        (["--ready-file", "/no/such/folder/ready.json"], "--ready-file is"),
        *(([f"--{name}", "-1"], f"--{name} is -1") for name in ("keep-runs", "keep-days", "max-log-bytes")),
    ],
)
def test_wrong_options(arguments: list[str], message: str, refusal: Callable[..., str]) -> None:
    assert message in refusal(*arguments)


def test_its_own_folder_is_a_file(refusal: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / ".wherobots-local").touch()
    assert "in .wherobots-local: File exists" in refusal()


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [*MODULE, "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_named(started: Started, tmp_path: Path) -> None:
    result = ended("--root", str(tmp_path), "--port", str(started.ready["port"]))
    assert (result.returncode, result.stdout) == (2, "")
    assert f"--port is {started.ready['port']}" in result.stderr
    assert "Address already in use; choose another port, or 0 for a free one" in result.stderr
    assert "Traceback" not in result.stderr


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


def test_a_certificate_that_is_none_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("x")
    said = refusal("--certfile", str(file), "--keyfile", str(file))
    assert f"certfile {file} or keyfile {file} cannot be used" in said


def test_the_soft_limit_is_raised_at_the_start(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Started(tmp_path, key=KEY, descriptors=(256, hard)) as server:
        soft, _ = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft >= min(hard, WANTED) > 256


def test_a_control_client_does_not_show_its_key() -> None:
    assert KEY not in repr(ControlClient("http://127.0.0.1:1", KEY))


def test_nothing_is_imported_that_is_not_needed() -> None:
    # A certificate is made only if it is asked for.
    names = {"airflow", "aiohttp", "cryptography", "pyarrow", "requests"}
    code = f"import sys, wherobots_local.cli; print({names} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "set()"
