"""The vendor's SQL client and the official provider's SQL operator, unchanged, over https and wss."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_server.tests.support import KEY
from local_server.tests.vendor_clients.programs import official_provider, vendor_client
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

pytestmark = pytest.mark.slow

PLACES = {"name": ["Aachen"], "place": ["SRID=4326;POINT (6.08 50.78)"]}


@pytest.fixture
def secure(certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[LocalServer]:
    certfile, keyfile = certificate
    with LocalServer(
        tmp_path / "root", api_key=KEY, certfile=certfile, keyfile=keyfile, behaviour={"sql_synthetic": True}
    ) as server:
        server.control.answer_sql("FROM places", PLACES, geometry=["place"])
        yield server


def executed(server: LocalServer) -> Counter[str]:
    """How often each statement was executed."""
    return Counter(entry["statement"] for entry in server.control.requests("executeSql") if entry["effective"])


def test_the_vendors_client(secure: LocalServer, certificate: tuple[Path, Path]) -> None:
    # The connection is lost while this statement runs: the client opens another one, and takes the statement over.
    control = SqlControl(secure, certificate[0])
    control.lose_sql_connection_after("SLEEP 1")
    found = vendor_client("vendor_client_speaks_sql.py", secure.url.removeprefix("https://"), certificate[0])
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
        for execution in control.sql_session(found["session"])["executions"]
        if execution["statement"] == "HOLD"
    )
    assert held["state"] == "cancelled"
    assert [entry["effective"] for entry in control.requests("cancelExecution")] == [True]
    attached = [entry for entry in control.requests("openSqlSocket") if entry["session_id"] == found["session"]]
    assert len(attached) == 3


def test_the_official_providers_operator(secure: LocalServer, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    host = secure.url.removeprefix("https://")
    found = official_provider("official_provider_speaks_sql.py", host, tmp_path, certificate[0])
    assert found["one"] == [{"n": 7}]
    assert found["ddl"] == []
    assert found["with parameters"][0]["name"] == "Aachen"
    assert "[PARSE_SYNTAX_ERROR] no such word" in found["failed"]
    assert executed(secure)["SELECT * FROM places WHERE name = 'Aachen'"] == 1
    # One session for all four.
    assert [entry["effective"] for entry in secure.control.requests("createSqlSession")] == [True, False, False, False]
