"""What the tests before have left behind: no secret in a file of Airflow, and no error of ours."""

import pytest
from sqlalchemy import MetaData, create_engine

from tests.e2e.sql_case import LITERAL, SIGNATURE, SqlCase
from tests.e2e.world import KEY_STEM, World


def database(world: World) -> bytes:
    """All that Airflow's database contains, as text."""
    engine, tables = create_engine(world.airflow.database), MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in tables.sorted_tables for row in connection.execute(table.select())]
    engine.dispose()
    values = (value for row in rows for value in row)
    return b"\n".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in values)


@pytest.mark.alone
def test_the_command_orphans_finds_what_no_task_needs(world: World) -> None:
    run = world.case("deferred").begin().wait_until_followed("deferred")
    (run_id,) = (found["id"] for found in run.runs())
    verdicts = {row["id"]: row["verdict"] for row in world.orphans()}
    assert verdicts[run_id] == "in use"

    world.airflow.kill_component("triggerer")
    run.mark("failed")
    cancelled = {row["id"]: (row["verdict"], row["result"]) for row in world.orphans("--cancel")}
    world.airflow.start_component("triggerer")
    assert cancelled[run_id] == ("orphan", "cancelled")
    assert run.statuses() == ["CANCELLED"]


@pytest.mark.alone
def test_no_file_of_airflow_has_a_secret(world: World) -> None:
    run = world.case("deferred").begin("talk.py", 1)
    run.wait_until_deferred()
    run.release()
    statements = [SqlCase.of(world, "sql_worker", kind).begin(held=False) for kind in ("write", "store")]
    for case in (run, *statements):
        case.end("success")
    files = {path: path.read_bytes() for path in world.airflow.home.rglob("*") if path.is_file()}
    logs = {path: content for path, content in files.items() if path.is_relative_to(world.airflow.home / "logs")}
    stored = database(world)
    # What is looked for would be found.
    assert world.conn_id.encode() in stored
    for said in (b"line 00000 of the run", b"INSERT INTO e2e.log VALUES (?, ?)"):
        assert any(said in content for content in logs.values()), said
    assert KEY_STEM.encode() not in stored
    assert [path for path, content in files.items() if KEY_STEM.encode() in content] == []
    # The scheduler of 3.0 writes each DAG run's conf and each XCom to its own output.
    for secret in (LITERAL, SIGNATURE):
        assert [path for path, content in logs.items() if secret.encode() in content] == []


@pytest.mark.alone
def test_airflows_server_has_met_no_error_of_ours(world: World) -> None:
    """An error that it answers to a task is repeated by Airflow, so nobody else would see it."""
    assert "airflow_provider_wherobots/" not in world.airflow.output(world.airflow.web_component).read_text()
