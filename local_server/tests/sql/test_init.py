"""Tables at the start: ``--init`` and the argument ``init``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY
from wherobots_local import ControlError, LocalServer, SettingsError

TABLES = """
-- Places; and what was measured there.
CREATE SCHEMA IF NOT EXISTS org_catalog.hail;
CREATE OR REPLACE TABLE org_catalog.hail.places AS SELECT 1 AS id, 'a;b' AS name;;

/* a comment; */
INSERT INTO org_catalog.hail.places VALUES (2, 'c')
"""
ROWS = [{"id": 1, "name": "a;b"}, {"id": 2, "name": "c"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (path := tmp_path / "tables.sql").write_text(TABLES)
    return path


def read(server: LocalServer) -> list[dict[str, object]]:
    sql = SqlClient(server.url, server.root)
    with sql.open(sql.ready(sessionType="single")) as socket:
        return socket.rows("SELECT * FROM org_catalog.hail.places ORDER BY id")


def test_the_tables_are_there_at_the_start_and_after_each_reset(file: Path, tmp_path: Path) -> None:
    with LocalServer(tmp_path / "root", api_key=KEY, init=file) as server:
        assert read(server) == ROWS
        sql = SqlClient(server.url, server.root)
        with sql.open(sql.ready()) as socket:
            _, state = socket.run("DELETE FROM org_catalog.hail.places")
            assert state["state"] == "succeeded"
        server.control.reset(storage=False)
        assert read(server) == []
        server.control.reset()
        assert read(server) == ROWS
        assert server.control.requests("executeSql")[0]["statement"].startswith("SELECT * FROM")
        file.write_text("SELECT 1; SELECT nothing")
        with pytest.raises(ControlError, match=r"statement in line 1 failed: .*UNRESOLVED_COLUMN"):
            server.control.reset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\nSELECT * FROM nowhere", "the statement in line 2 failed: [TABLE_OR_VIEW_NOT_FOUND]"),
        ("SELECT 1;\nSELECT 'x", "a quote or a comment is not closed"),
        (None, "there is no such file"),
    ],
)
def test_a_wrong_file_is_refused(
    text: str | None, message: str, refusal: Callable[..., str], file: Path, tmp_path: Path
) -> None:
    file.unlink() if text is None else file.write_text(text)
    said = refusal("--init", str(file))
    assert said.startswith(f"--init is {str(file)!r}, but ")
    assert message in said
    with pytest.raises(SettingsError) as raised:
        LocalServer(tmp_path / "root", init=file).start()
    assert message in str(raised.value)
    # The root is free again.
    file.write_text("")
    with LocalServer(tmp_path / "root", init=file):
        pass
