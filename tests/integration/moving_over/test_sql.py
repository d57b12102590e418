"""A DAG with the official provider's SQL operator and hook runs here once its imports and its parameters are changed.

Its source, for an old ``wherobots-python-dbapi``, is in ``sql.py``. What is changed is what docs/moving.md says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.sql.parameters import bind
from tests.integration.moving_over.moved import AIRFLOW_SECONDS, run_dags, source_of
from tests.support.local_server import LocalServerProcess
from tests.support.processes import ProcessFamily
from wherobots_local import ControlClient

CHANGES = {
    "from airflow_providers_wherobots.": "from airflow_provider_wherobots.",
    "%(catalog)s.%(schema)s": "%(catalog)i.%(schema)i",
    "'%(left_out)s'": "%(left_out)s",
    "'%(batch)s'": "%(batch)s",
}
OLDEST_AND_NEWEST = pytest.mark.skipif(
    AIRFLOW not in ((2, 11), (3, 3)), reason="the oldest and the newest Airflow run it"
)
MERGE = """
    MERGE INTO %(catalog)s.%(schema)s.reports AS old
    USING (
        SELECT id, '%(batch)s' AS batch, postcode, mm, ST_Point(lon, lat) AS place FROM VALUES
            ('a', '78701', 25.5D, -97.75D, 30.25D),
            ('b', '78701', 12.0D, -97.75D, 30.26D),
            ('c', '78702', 18.0D, -97.72D, 30.26D),
            ('d', '78704', 44.0D, -97.76D, 30.24D),
            ('e', '78702', 6.0D, -97.71D, 30.27D)
            AS t(id, postcode, mm, lon, lat)
    ) AS new
    ON old.id = new.id
    WHEN MATCHED THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
"""


@dataclass(frozen=True)
class Moved:
    """What became of the DAG.

    :param told: the report of ``run.py``.
    :param sessions: the bodies and addresses of the requests for a session.
    """

    told: dict[str, Any]
    output: str
    statements: list[str]
    sessions: list[dict[str, Any]]


def changed(text: str) -> str:
    for old, new in CHANGES.items():
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Iterator[LocalServerProcess]:
    """In its own environment, which has the SQL engine."""
    folder = tmp_path_factory.mktemp("lake")
    family = ProcessFamily(f"moving over: {folder}")
    certfile, keyfile = map(str, certificate)
    try:
        yield LocalServerProcess(
            family, folder / "root", folder / "output", "--certfile", certfile, "--keyfile", keyfile
        )
    finally:
        family.stop()


@pytest.fixture(scope="module")
def moved(
    server: LocalServerProcess, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Moved:
    """The DAG, moved over and run by a real Airflow, over TLS, with a triggerer's work done in its process."""
    home = tmp_path_factory.mktemp("airflow")
    for folder, name, text in (
        ("dags", "moving_over_sql.py", source_of("sql")),
        ("include", "merge_reports.sql", MERGE),
    ):
        (home / folder).mkdir()
        (home / folder / name).write_text(changed(text))
    told, output = run_dags(home, server.url, server.api_key, certificate[0])
    control = ControlClient(server.url, server.api_key, certificate=certificate[0])
    statements = [request["statement"] for request in control.requests("executeSql")]
    sessions = control.requests("createSqlSession")
    return Moved(told, output, statements, sessions)


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        (MERGE, "%(batch)s"),
        ("CREATE DATABASE IF NOT EXISTS %(catalog)s.%(schema)s", "%(catalog)i"),
        ("SELECT postcode FROM t WHERE postcode <> '%(left_out)s'", "%(left_out)s without them"),
    ],
)
def test_a_statement_that_was_not_changed_says_what_to_change(statement: str, hint: str) -> None:
    parameters = {"catalog": "org_catalog", "schema": "storms", "batch": "1", "left_out": "78704"}
    with pytest.raises(InvalidArgumentError, match=re.escape(hint)):
        bind(statement, parameters)
    bind(changed(statement), parameters)


@OLDEST_AND_NEWEST
@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_moved_dag_runs(moved: Moved) -> None:
    assert moved.told["errors"] == {}
    assert moved.told["warnings"] == []
    states = moved.told["dags"]["moving_over_sql"]["states"]
    assert set(states.values()) == {"success"}, moved.output
    assert states.keys() >= {"create_table", "merge", "by_postcode", "worst", "details", "largest", "clean_up"}


@OLDEST_AND_NEWEST
@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_the_moved_dag_has_data_frames_and_geometries_as_before(moved: Moved) -> None:
    assert re.search(r"postcode +78701 +78702\n.*reports +2 +2\n", moved.output), "found.T.to_string()"
    assert re.search(r"Returned value was: a at (SRID=\d+;)?POINT ?\(-97.75 30.25\)", moved.output), moved.output
    assert "Returned value was: 4" in moved.output


@OLDEST_AND_NEWEST
@pytest.mark.slow
@pytest.mark.timeout(AIRFLOW_SECONDS)
def test_each_statement_was_executed_once(moved: Moved) -> None:
    kinds = [statement.split()[0] for statement in moved.statements]
    assert kinds == ["CREATE", "CREATE", "MERGE", "SELECT", "SELECT", "DELETE", "SELECT"], moved.output
    assert "`org_catalog`.`storms`.reports" in moved.statements[2]
    assert "<> '78704'" in moved.statements[3]
    assert moved.sessions
    assert {request["query"].partition("&")[0] for request in moved.sessions} == {"region=aws-us-west-2"}
