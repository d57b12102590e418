"""Runs that really run."""

import json
import os
import re
import signal
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from local_server.tests.support import FOREVER, KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer
from wherobots_local.runs.run import LocalRun

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(os.getpid(), child.pid)
print("up")
time.sleep(600)
"""


def test_a_script_runs_with_its_arguments(client: Client, server: LocalServer) -> None:
    source = "import sys\nprint(sys.argv[1:])\nprint('to stderr', file=sys.stderr)\n"
    run, lines = client.run(source, args=("--date", "2026-01-01", "zwei Wörter", "$(id)"))
    assert lines == [str(["--date", "2026-01-01", "zwei Wörter", "$(id)"]), "to stderr"]
    assert run["createTime"] <= run["startTime"] <= run["completeTime"] == run["updateTime"]
    assert (run["kubeApp"]["status"], run["kubeApp"]["message"]) == ("DESTROYED", None)


def test_a_runtime_may_have_little_memory(client: Client, control: ControlClient) -> None:
    control.behaviour(runtime_memory_mib={"tiny": 256})
    source = "import sys\nprint(len(bytearray(512 << 20)), sys.argv[1:])\n"
    run, lines = client.run(source, status="FAILED", args=("$(id)",), runtime="tiny")
    assert (run["status"], lines[-1]) == ("FAILED", "MemoryError")
    assert run["kubeApp"]["message"] == "The process exited with code 1: MemoryError"
    run, lines = client.run(source, args=("$(id)",), runtime="small")
    assert lines == ["536870912 ['$(id)']"]


def test_what_a_script_sees(client: Client, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEROBOTS_API_KEY", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "also-secret")
    source = "import json, os, sys\nprint(json.dumps([dict(os.environ), os.getcwd(), sys.path, sys.stdin.read()]))\n"
    run, lines = client.run(source)
    environment, folder, path, typed = json.loads(lines[0])
    assert environment["WHEROBOTS_LOCAL_ROOT"] == str(server.root)
    assert environment["WHEROBOTS_LOCAL_RUN_ID"] == run["id"]
    assert folder == str(server.root / ".wherobots-local" / "runs" / run["id"])
    assert environment["HOME"] != os.environ.get("HOME")
    assert KEY not in lines[0]
    assert "also-secret" not in lines[0]
    assert str(server.root / "bucket") not in path
    assert typed == ""


def test_output_is_seen_while_the_script_runs(client: Client) -> None:
    run_id, _ = client.begin()
    assert client.get(run_id)["status"] == "RUNNING"
    assert client.get(run_id)["kubeApp"]["status"] == "READY"
    client.cancel(run_id)
    client.wait(run_id, "CANCELLED")


def test_lines_carry_the_time_at_which_they_were_read(client: Client) -> None:
    before = time.time_ns()
    run, _ = client.run("import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.02)\n")
    stamps = [int(item["timestamp"]) for item in client.log_page(run["id"])["items"]]
    assert before < stamps[0] < stamps[1] < stamps[2] < time.time_ns()


def test_odd_output(client: Client) -> None:
    source = "import sys\nsys.stdout.buffer.write(b'\\xff|\\xc3\\xbc\\r\\n\\n' + b'x' * 1_000_000 + b'\\nno end')\n"
    _, lines = client.run(source)
    assert lines == ["\ufffd|ü", "", "x" * 1_000_000, "no end"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise KeyError('column')", "The process exited with code 1: KeyError: 'column'"),
        ("import os\nos.kill(os.getpid(), 9)", "The process was ended by signal 9 (SIGKILL)"),
    ],
)
def test_failures_have_a_reason(source: str, message: str, client: Client) -> None:
    run, _ = client.run(source, status="FAILED")
    assert run["kubeApp"]["message"] == message
    event = run["kubeApp"]["events"][-1]
    assert (event["code"], event["message"]) == ("RUN_FAIL_EXEC", message)


def test_a_script_that_cannot_be_read_fails_the_run(client: Client) -> None:
    run, lines = client.run(runPython={"uri": "s3://bucket/missing.py"}, status="FAILED")
    assert "does not exist" in run["kubeApp"]["message"]
    assert lines == [f"ERROR: {run['kubeApp']['message']}"]


def test_timeout(client: Client) -> None:
    run, _ = client.run(FOREVER, timeoutSeconds=1, status="TIMED_OUT")
    assert "timeoutSeconds (1)" in run["kubeApp"]["message"]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_timeout_as_older_services_show_it(status: str, client: Client, control: ControlClient) -> None:
    control.behaviour(timeout_as=status)
    run, _ = client.run(FOREVER, timeoutSeconds=1, status=status)
    event = run["kubeApp"]["events"][-1]
    assert event["code"] == "RUN_FAIL_EXEC"
    assert "timeout" in event["message"].lower()


def test_cancel_gives_the_script_a_chance_to_tidy_up(client: Client, control: ControlClient) -> None:
    tidying = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: (print('tidy'), sys.exit(0)))\n"
    run_id, _ = client.begin(tidying + FOREVER)
    answer = client.cancel(run_id)
    assert (answer.status_code, answer.json()["status"]) == (200, "RUNNING")
    ended = client.wait(run_id, "CANCELLED")
    assert ended["completeTime"] is not None
    assert client.lines(run_id)[1:] == ["up", "tidy"]
    assert control.counts()["cancels_effective"] == 1


def test_cancel_ends_what_ignores_it_and_its_children(client: Client) -> None:
    run_id, pids = client.begin(STUBBORN)
    assert all(psutil.pid_exists(pid) for pid in pids)
    client.cancel(run_id)
    client.wait(run_id, "CANCELLED")
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_the_end_of_a_script_ends_its_children(client: Client) -> None:
    source = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid)
"""
    _, lines = client.run(source)
    assert not psutil.pid_exists(int(lines[0]))


def test_cancel_before_the_start(client: Client, control: ControlClient) -> None:
    control.behaviour(start_delay_seconds=600, cancel_delay_seconds=0)
    run = client.create(FOREVER)
    assert run["status"] == "PENDING"
    client.cancel(run["id"])
    ended = client.wait(run["id"], "CANCELLED")
    assert (ended["startTime"], client.lines(run["id"])) == (None, [])


def test_a_slow_start_shows_its_steps(client: Client, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    control.behaviour(start_delay_seconds=0.2)
    seen: list[tuple[str, str]] = []
    set_app = LocalRun.set_app

    def noted(run: LocalRun, status: str, message: str | None = None) -> None:
        seen.append((run.status, status))
        set_app(run, status, message)

    monkeypatch.setattr(LocalRun, "set_app", noted)
    client.run("")
    started = [("PENDING", step) for step in ("REQUESTED", "DEPLOYING", "DEPLOYED", "INITIALIZING", "READY")]
    assert seen[: len(started)] == started


def test_runs_beyond_the_limit_wait(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY, max_parallel_runs=1) as server:
        client = Client(server.url, server.root)
        first, _ = client.begin()
        second = client.create("print('second')")
        assert client.get(second["id"])["status"] == "PENDING"
        client.cancel(first)
        client.wait(first, "CANCELLED")
        client.wait(second["id"], "COMPLETED")


def test_a_guard_that_is_killed_takes_its_script_with_it(client: Client) -> None:
    run_id, (pid,) = client.begin()
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    client.wait(run_id, "FAILED")
    wait_for(lambda: not psutil.pid_exists(pid), what="the process to end")


def test_a_script_can_share_memory_between_processes(client: Client, server: LocalServer) -> None:
    """Python puts a socket into the temporary folder for that, and a socket's path is short."""
    source = """
import multiprocessing, tempfile
if __name__ == "__main__":
    print(tempfile.gettempdir())
    with multiprocessing.Manager() as manager:
        print(manager.list([1]))
"""
    _, lines = client.run(source)
    assert lines[-1] == "[1]"
    assert len(lines[-2]) < len(str(server.root))
    assert not Path(lines[-2]).parent.exists()


def test_file_dependencies(client: Client, server: LocalServer) -> None:
    bucket = server.root / "bucket"
    bucket.mkdir(exist_ok=True)
    with zipfile.ZipFile(bucket / "zipped.zip", "w") as archive:
        archive.writestr("from_zip.py", "VALUE = 'zip'\n")
    with zipfile.ZipFile(bucket / "wheeled-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("from_wheel/__init__.py", "from pathlib import Path\nVALUE = Path(__file__).with_name('data')")
        archive.writestr("from_wheel/data", "wheel")
    (bucket / "settings.prod.json").write_text('{"value": "json"}')
    (bucket / "settings.json").symlink_to("settings.prod.json")
    (bucket / "extra.jar").touch()
    source = """
import json, os, from_zip, from_wheel
print(from_zip.VALUE, from_wheel.VALUE.read_text())
print(json.load(open(os.path.join(os.environ["WHEROBOTS_LOCAL_FILES"], "settings.json")))["value"])
print(os.environ["CLASSPATH"])
"""
    names = ["zipped.zip", "wheeled-1.0-py3-none-any.whl", "settings.json", "extra.jar"]
    files = [{"sourceType": "FILE", "filePath": f"s3://bucket/{name}"} for name in names]
    run, lines = client.run(source, environment={"dependencies": files})
    assert lines[-3:] == ["zip wheel", "json", str(bucket / "extra.jar")]
    kinds = [dependency["fileType"] for dependency in run["payload"]["environment"]["dependencies"]]
    assert kinds == ["ZIP", "PYTHON_WHEEL", "OTHER", "JAR"]


@pytest.mark.parametrize("name", ["missing.zip", "broken.whl"])
def test_a_file_dependency_that_cannot_be_read_fails_the_run(name: str, client: Client, server: LocalServer) -> None:
    client.script("no zip", "broken.whl")
    files = [{"sourceType": "FILE", "filePath": f"s3://bucket/{name}"}]
    run, _ = client.run("print('never')", environment={"dependencies": files}, status="FAILED")
    assert run["kubeApp"]["status"] == "PREPARE_FAILED"
    assert name in run["kubeApp"]["message"]
    assert run["startTime"] is None


def test_spark_reads_the_settings_as_defaults(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.ui.enabled false\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    source = "import os\nprint(open(os.environ['SPARK_CONF_DIR'] + '/spark-defaults.conf').read())"
    settings = {"spark.sql.shuffle.partitions": "7"}
    _, lines = client.run(source, environment={"sparkConfigs": settings})
    # The last one of a name counts: the server's settings, the user's, then those of the run.
    names = [re.split("[ =]", line)[0] for line in lines if line]
    assert names[0] == "spark.driver.host"
    assert names[-3:] == ["spark.ui.enabled", "spark.ui.port", "spark.sql.shuffle.partitions"]
    assert lines[len(names) - 1] == "spark.sql.shuffle.partitions=7"
