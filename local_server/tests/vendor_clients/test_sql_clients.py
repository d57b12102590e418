"""The vendor's SQL client and the official provider's SQL operator, unchanged, over https and wss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dev.places import CHECKOUT, TREE
from local_server.tests.support import KEY
from wherobots_local import LocalServer

pytestmark = [pytest.mark.once, pytest.mark.slow]

OFFICIAL = CHECKOUT / ".venv-official" / "bin" / "python"
# The client is also in the environments whose Airflow it installs beside.
PYTHON = Path(sys.executable) if find_spec("wherobots") else OFFICIAL
HAS_CLIENT = pytest.mark.skipif(not PYTHON.exists(), reason="make venv-official")
HAS_OPERATOR = pytest.mark.skipif(not OFFICIAL.exists(), reason="make venv-official")
PLACES = {"name": ["Aachen"], "place": ["SRID=4326;POINT (6.08 50.78)"]}


@pytest.fixture
def secure(certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[LocalServer]:
    certfile, keyfile = certificate
    with LocalServer(
        tmp_path / "root", api_key=KEY, certfile=certfile, keyfile=keyfile, behaviour={"sql_synthetic": True}
    ) as server:
        server.control.answer_sql("FROM places", PLACES, geometry=["place"])
        yield server


def run(
    program: str, *arguments: str, certificate: tuple[Path, Path], python: Path = PYTHON, **environment: str
) -> Any:
    """Run a program where the vendor's packages are. Each of the two variables is for one of the two protocols."""
    result = subprocess.run(
        [python, "-W", "ignore", Path(__file__).with_name(program), *arguments],
        env={
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": str(TREE),
            "REQUESTS_CA_BUNDLE": str(certificate[0]),
            "SSL_CERT_FILE": str(certificate[0]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines() + result.stderr.splitlines()
    return json.loads(next(line for line in reversed(lines) if line.startswith("{")))


def executed(server: LocalServer) -> Counter[str]:
    """How often each statement was executed."""
    return Counter(entry["statement"] for entry in server.control.requests("executeSql") if entry["effective"])


@HAS_CLIENT
def test_the_vendors_client(secure: LocalServer, certificate: tuple[Path, Path]) -> None:
    # The connection is lost while this statement runs: the client opens another one, and takes the statement over.
    secure.control.add_fault("executeSql", "lose_answer", statement="SLEEP 1", times=1)
    found = run("vendor_client_speaks_sql.py", secure.url.removeprefix("https://"), KEY, certificate=certificate)
    assert found["one"] == [{"n": 7}]
    assert found["places"] == [{"name": "Aachen", "place": "SRID=4326;POINT (6.08 50.78)"}]
    assert (found["cut"], found["ddl"]) == (1000, [])
    assert found["failed"] == "OperationalError: [TABLE_OR_VIEW_NOT_FOUND] no such table"
    assert found["taken over"] == [{"slept": 1.0}]
    assert found["steps"][-1] == 10
    text, size = found["stored"]
    assert (text, size) == ('"id","name"\n0,"row 0"\n1,"row 1"\n2,"row 2"\n', len(text))
    assert (found["shared"], found["own"], found["new"]) == (True, True, True)
    assert set(executed(secure).values()) == {1}
    (held,) = (
        execution
        for execution in secure.control.sql_session(found["session"])["executions"]
        if execution["statement"] == "HOLD"
    )
    assert held["state"] == "cancelled"
    assert [entry["effective"] for entry in secure.control.requests("cancelExecution")] == [True]
    attached = [entry for entry in secure.control.requests("openSqlSocket") if entry["session_id"] == found["session"]]
    assert len(attached) == 3


@HAS_OPERATOR
def test_the_official_providers_operator(secure: LocalServer, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    connection = {"conn_type": "generic", "host": secure.url.removeprefix("https://"), "password": KEY}
    found = run(
        "official_provider_speaks_sql.py",
        certificate=certificate,
        python=OFFICIAL,
        AIRFLOW_HOME=str(tmp_path / "airflow"),
        AIRFLOW_CONN_WHEROBOTS_DEFAULT=json.dumps(connection),
    )
    assert found["one"] == [{"n": 7}]
    assert found["ddl"] == []
    assert found["with parameters"][0]["name"] == "Aachen"
    assert "[PARSE_SYNTAX_ERROR] no such word" in found["failed"]
    assert executed(secure)["SELECT * FROM places WHERE name = 'Aachen'"] == 1
    # One session for all four.
    assert [entry["effective"] for entry in secure.control.requests("createSqlSession")] == [True, False, False, False]
