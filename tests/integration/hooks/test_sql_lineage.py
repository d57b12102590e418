"""What Airflow's OpenLineage provider gets of SQL tasks: through common-sql, and into a file."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport.file import FileConfig, FileTransport

from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

CONN_ID = "wherobots_default"
SQL = """
INSERT INTO %(target)i
SELECT reports.id, places.name AS city FROM hail.reports AS reports
JOIN wherobots_open_data.overture_maps.places AS places ON ST_Contains(places.geometry, reports.place)
WHERE places.name <> 'it\\'s secret' AND reports.state = %(state)s
"""
PARAMETERS = {"target": ["org_catalog", "hail", "cities"], "state": "also secret"}


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of the service, so there need be none."""
    fields = {"conn_type": "wherobots_sql", "host": "http://127.0.0.1:9", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(fields))


def emitted(task: Any, file: Path) -> dict[str, Any]:
    """The event of a task's end, as it is in the file of OpenLineage's transport."""
    lineage = task.get_openlineage_facets_on_complete(SimpleNamespace(task=task))
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-11-28T12:00:00Z",
        run=Run("01932f5e-0000-7000-8000-000000000000", lineage.run_facets),
        job=Job("default", "dag.task", lineage.job_facets),
        inputs=lineage.inputs,
        outputs=lineage.outputs,
    )
    OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(file), append=True))).emit(event)
    written: dict[str, Any] = json.loads(file.read_text())
    return written


@pytest.mark.parametrize("kind", [WherobotsSqlOperator, SQLExecuteQueryOperator])
def test_the_tables_and_columns_of_a_task_are_told(kind: Any, tmp_path: Path) -> None:
    conn = {"wherobots_conn_id" if kind is WherobotsSqlOperator else "conn_id": CONN_ID}
    event = emitted(kind(task_id="task", sql=SQL, parameters=PARAMETERS, **conn), tmp_path / "events")
    assert {(one["namespace"], one["name"]) for one in event["inputs"]} == {
        ("wherobots://127.0.0.1:9", "spark_catalog.hail.reports"),
        ("wherobots://127.0.0.1:9", "wherobots_open_data.overture_maps.places"),
    }
    (output,) = event["outputs"]
    assert output["name"] == "org_catalog.hail.cities"
    columns = output["facets"]["columnLineage"]["fields"]
    assert [one["field"] for one in columns["city"]["inputFields"]] == ["name"]
    assert "secret" not in json.dumps(event)
    assert "INSERT INTO `org_catalog`.`hail`.`cities`" in event["job"]["facets"]["sql"]["query"]


@pytest.mark.parametrize(
    ("sql", "inputs", "outputs"),
    [
        ("SELECT 1; SELECT n FROM t -- ;\n; CREATE TABLE `a`.`b` AS SELECT * FROM c.d.e", ["c.d.e", "t"], ["a.b"]),
        (["DELETE FROM a.b.c WHERE n = 'x'", "SELECT * FROM VALUES (1) AS v(n)"], [], ["a.b.c"]),
        ("SELECT " + "a_long_name, " * 500 + "id FROM a.b.long", ["a.b.long"], []),
        ("MERGE nonsense", [], []),
    ],
)
def test_several_statements_and_what_the_parser_does_not_know(sql: Any, inputs: list[str], outputs: list[str]) -> None:
    task = SimpleNamespace(sql=sql)
    lineage = WherobotsSqlHook().get_openlineage_database_specific_lineage(SimpleNamespace(task=task))
    assert lineage is not None

    def names(datasets: Any) -> list[str]:
        return sorted(re.sub(r"^spark_catalog\.(default\.)?", "", one.name) for one in datasets)

    assert (names(lineage.inputs), names(lineage.outputs)) == (inputs, outputs)


def test_a_task_without_sql_has_no_lineage() -> None:
    task_instance = SimpleNamespace(task=SimpleNamespace())
    assert WherobotsSqlHook().get_openlineage_database_specific_lineage(task_instance) is None
