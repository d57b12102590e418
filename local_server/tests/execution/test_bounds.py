"""Whatever a script or a client does: the server answers, runs end, and nothing grows without a bound."""

import inspect
import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_server.tests.disks import file_system, fill
from local_server.tests.paging import pages_of
from local_server.tests.started import Started
from local_server.tests.support import FOREVER, KEY, Client, assert_answers, assert_shape
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer
from wherobots_local.execution import process
from wherobots_local.views import runs as log_pages

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        while True:
            time.sleep(0.05)
            print("still here", flush=True)
    os._exit(0)
os.wait()
time.sleep(0.3)
print("end")
"""


FILL = f"""import shutil
from contextlib import suppress
from pathlib import Path
{inspect.getsource(fill)}"""


def recorded(root: Path) -> dict[str, str]:
    records = [json.loads(path.read_text()) for path in root.glob(".wherobots-local/runs/*/.run/run.json")]
    return {record["id"]: record["status"] for record in records}


# Logs


def test_a_full_log_has_a_note_and_the_script_continues(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY, max_log_bytes=8_000) as server:
        client = Client(server.url, server.root)
        source = "for n in range(200_000): print('line', n)\nopen('reached', 'w')\nraise SystemExit(3)\n"
        run, lines = client.run(source, status="FAILED")
        said = "The log has reached the local server's limit of 8000 bytes. Further lines are discarded."
        assert [line for line in lines if "limit" in line] == [said]
        assert lines[:-1] == [f"line {n}" for n in range(len(lines) - 1)]
        folder = tmp_path / ".wherobots-local" / "runs" / run["id"]
        assert (folder / "reached").exists()
        assert sum(path.stat().st_size for path in (folder / ".run").glob("log.*")) < 50_000


def test_memory_does_not_grow_with_what_a_script_prints(tmp_path: Path) -> None:
    with Started(tmp_path, key=KEY) as server:
        client = server.client()
        client.run("")
        before = psutil.Process(server.process.pid).memory_info().rss
        source = "import sys\nfor _ in range(400): sys.stdout.buffer.write(b'\\n' * 10_000)\n"
        run, lines = client.run(source)
        assert lines == [""] * 1000
        page = client.log_page(run["id"], size=1, cursor=str(2**62))
        assert page["items"] == []
        # Four million lines took 700 MB as Python objects.
        assert psutil.Process(server.process.pid).memory_info().rss - before < 50_000_000


def test_the_server_answers_while_scripts_write_as_fast_as_they_can(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key=KEY, max_log_bytes=30_000_000, max_parallel_runs=2) as server:
        client = Client(server.url, server.root)
        control = server.control
        control.behaviour(cancel_delay_seconds=0)
        sources = ["import sys\nwhile True: sys.stdout.buffer.write(b'y\\n' * 32768)\n"]
        sources.append("import sys\nwhile True: sys.stdout.buffer.write(b'x' * 100_000_000 + b'\\n')\n")
        runs = []
        for number, source in enumerate(sources):
            uri = client.script(source, f"writer_{number}.py")
            runs.append(client.create(runPython={"uri": uri}))
        for run in runs:
            wait_for(lambda run=run: client.log_page(run["id"], size=1)["items"], what="the first line")  # type: ignore[misc]
        assert_answers(server.url)
        for run in runs:
            client.cancel(run["id"])
        for run in runs:
            client.wait(run["id"], "CANCELLED")


def test_a_page_has_a_bound_in_bytes(client: Client) -> None:
    source = "import sys\nfor n in range(40): print(n, 'x' * 200_000)\nsys.stdout.write('y' * 3_000_000)\n"
    run, _ = client.run(source)
    lines: list[str] = []
    for page in pages_of(client, run["id"], 1000):
        sizes = [len(raw) for _, raw in page]
        assert sum(sizes) <= log_pages.MAX_PAGE_BYTES or len(sizes) == 2
        lines += [raw for _, raw in page]
    assert [line.partition(" ")[0] for line in lines[:40]] == [str(n) for n in range(40)]
    assert "".join(lines[40:]) == "y" * 3_000_000
    assert max(map(len, lines)) <= 1024 * 1024


def test_a_script_that_removes_its_folder_loses_its_log(client: Client) -> None:
    run = client.create("import os, shutil\nprint('up')\nshutil.rmtree(os.getcwd())\n")
    client.wait(run["id"], "COMPLETED")
    answer = client.request("GET", f"/runs/{run['id']}/logs")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "NOT_FOUND_ERROR")


# The end of a run


@pytest.fixture
def portable_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard as it is on macOS: it neither adopts descendants nor finds those that left the process group."""
    program = tmp_path / "portable_guard.py"
    program.write_text(
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('guard', {process.GUARD_PROGRAM!r})\n"
        "guard = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(guard)\n"
        "guard._prctl = lambda *_: None\n"
        "guard.descendants = lambda _: set()\n"
        "guard.main(int(sys.argv[1]), sys.argv[2:])\n"
    )
    monkeypatch.setattr(process, "GUARD_PROGRAM", str(program))


def daemon_of(client: Client, run_id: str) -> int:
    wait_for(lambda: any(line.startswith("daemon") for line in client.lines(run_id)), what="the daemon to write")
    (line,) = [line for line in client.lines(run_id) if line.startswith("daemon")]
    return int(line.split()[1])


def test_a_run_ends_although_a_daemon_holds_its_output(client: Client, portable_guard: None) -> None:
    run = client.create(DAEMON)
    pid = daemon_of(client, run["id"])
    try:
        ended = client.wait(run["id"], "COMPLETED")
        lines = client.lines(run["id"])
        assert "end" in lines
        assert ended["completeTime"] is not None
        # Nobody reads what it writes from now on, which is an error for it.
        wait_for(lambda: not psutil.pid_exists(pid), what="the daemon to end by its own error")
        assert client.lines(run["id"]) == lines
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def test_timeout_and_cancel_work_without_proc_too(client: Client, control: ControlClient, portable_guard: None) -> None:
    control.behaviour(cancel_delay_seconds=0)
    client.run(FOREVER, timeoutSeconds=1, status="TIMED_OUT")
    run_id, (pid,) = client.begin()
    client.cancel(run_id)
    client.wait(run_id, "CANCELLED")
    wait_for(lambda: not psutil.pid_exists(pid), what="the script to end")


def stopped_guard(client: Client, **fields: Any) -> tuple[str, int]:
    """Begin a run, stop its guard, and return the run's id and the script's process id."""
    run_id, (pid,) = client.begin(**fields)
    os.kill(psutil.Process(pid).ppid(), signal.SIGSTOP)
    return run_id, pid


def test_a_stopped_guard_wedges_neither_cancel_nor_timeout(
    client: Client, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GUARD_SECONDS", 0.3)
    monkeypatch.setattr(process.GuardedProcess.stop, "__defaults__", (0.1,))
    control.behaviour(cancel_delay_seconds=0)
    first, one = stopped_guard(client)
    second, two = stopped_guard(client, timeoutSeconds=10)
    client.cancel(first)
    client.wait(first, "CANCELLED")
    client.wait(second, "TIMED_OUT")
    wait_for(lambda: not psutil.pid_exists(one) and not psutil.pid_exists(two), what="the scripts to end")


def test_the_servers_end_waits_for_no_grace_of_a_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.GuardedProcess.stop, "__defaults__", (600.0,))
    with LocalServer(tmp_path, api_key=KEY) as server:
        client = Client(server.url, server.root)
        server.control.behaviour(cancel_delay_seconds=0)
        ignoring = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('asked to end'))\n"
        run_id, (pid,) = client.begin(ignoring + FOREVER)
        client.cancel(run_id)
        client.wait_for_line(run_id, "asked to end")
    assert not psutil.pid_exists(pid)


# What cannot be started


@pytest.mark.parametrize(
    ("args", "words"), [(["x" * 100_000] * 30, "Argument list too long"), (["\ud800"], "lone surrogate")]
)
def test_arguments_that_no_process_can_have_fail_the_run(args: list[str], words: str, client: Client) -> None:
    run, lines = client.run(runPython={"uri": client.script("print('never')"), "args": args}, status="FAILED")
    assert run["kubeApp"]["message"].startswith("The process could not be started: ")
    assert words in run["kubeApp"]["message"]
    assert lines == [f"ERROR: {run['kubeApp']['message']}"]


def test_an_address_that_no_file_can_have_fails_the_run(client: Client) -> None:
    run, lines = client.run(runPython={"uri": "s3://bucket/\ud800.py"}, status="FAILED")
    assert "does not exist" in run["kubeApp"]["message"]
    assert len(lines) == 1


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with file_system(tmp_path, "1m"), LocalServer(tmp_path, api_key=KEY) as server:
        client = Client(server.url, server.root)
        client.script("x" * 200_000, "settings.json")
        uri = client.script("print('never')")
        filler = tmp_path / "bucket" / "filler"
        fill(filler)
        refused = client.request("POST", "/runs", json={"name": "a_test_run", "runPython": {"uri": uri}})
        assert refused.status_code == 507
        assert_shape(refused.json(), "ErrorBody")
        assert "No space left on device" in refused.json()["errors"][0]["details"]
        assert client.request("GET", "/runs").json()["items"] == []
        assert server.control.counts()["creates_effective"] == 0
        # Room for the records of a run, and not for its file.
        os.truncate(filler, filler.stat().st_size - 100_000)
        files = [{"sourceType": "FILE", "filePath": "s3://bucket/settings.json"}]
        failed, _ = client.run(runPython={"uri": uri}, environment={"dependencies": files}, status="FAILED")
        assert failed["kubeApp"]["status"] == "PREPARE_FAILED"
        assert "No space left on device" in failed["kubeApp"]["message"]
        filler.unlink()
        _, lines = client.run(f"{FILL}\nfill(Path({str(filler)!r}))\nprint('lost')")
        assert lines == []
        filler.unlink()
        _, lines = client.run("print('there is room again')")
        assert lines == ["there is room again"]
        # The records of the others are written now too.
        statuses = {run["id"]: run["status"] for run in client.request("GET", "/runs").json()["items"]}
        wait_for(lambda: statuses == recorded(tmp_path), what="the records")
