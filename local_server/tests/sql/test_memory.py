"""What statements and results of many megabytes leave in memory: next to nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from local_server.tests.sql_support import SqlClient, table
from local_server.tests.started import Started
from local_server.tests.support import KEY, require

_MIB = 1024**2


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with Started(tmp_path, key=KEY) as server:
        yield server


def _most(process: psutil.Process) -> int:
    """The most memory that a process has had."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_long_statements_are_not_kept(started: Started) -> None:
    started.control().behaviour(sql_synthetic=True)
    sql = SqlClient(started.ready["url"], started.root)
    session, server = sql.ready(), psutil.Process(started.process.pid)
    with sql.open(session) as socket:
        before = server.memory_info().rss
        for number in range(60):
            _, state = socket.run(f"SELECT {number} -- {'x' * 3_000_000}")
            assert state["state"] == "succeeded"
        started.control().answer_sql("wrong", error="y" * 3_000_000)
        _, state = socket.run(f"wrong {'y' * 3_000_000}")
        assert socket.receive()["message"].startswith("yyyy")
    assert server.memory_info().rss - before < 80 * _MIB
    (shown,) = started.control().sql_sessions()
    assert [len(one["statement"]) for one in shown["executions"]] == [2000] * 61
    assert shown["executions"][3]["statement"].startswith("SELECT 3 -- xxx")


def test_large_results_are_sent_from_the_disk(started: Started) -> None:
    require(sys.platform == "linux", "the most memory of a process is read from /proc")
    sql = SqlClient(started.ready["url"], started.root)
    session = sql.ready()
    server = psutil.Process(started.process.pid)
    (database,) = [child for child in server.children() if "wherobots_local.sql.database" in child.cmdline()]
    with ExitStack() as opened:
        sockets = [opened.enter_context(sql.open(session)) for _ in range(10)]
        execution_id, state = sockets[0].run("SELECT repeat('x', 1000000) AS x FROM range(50)")
        assert state["state"] == "succeeded"
        before = _most(server), _most(database)
        for socket in sockets:
            socket.send("retrieve_results", execution_id, compression="none")
        for socket in sockets:
            found = table(socket.receive())
            assert found.column("x").to_pylist() == ["x" * 1_000_000] * 50
    # Ten times 50 MB, which the database process maps once.
    assert _most(server) - before[0] < 60 * _MIB
    assert _most(database) - before[1] < 150 * _MIB
    assert list((started.root / ".wherobots-local" / "sql" / "results").iterdir()) == []
