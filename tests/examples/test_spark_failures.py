"""The page "Troubleshooting": runs that Spark fails, on the installed local server, and the causes that are named."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.support.local_server import LocalServerProcess
from tests.support.processes import ProcessFamily

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("java") is None and not os.environ.get("CI"), reason="no java: install a JRE"),
]

JOB = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(1).selectExpr("length(repeat('x', 1000000000 + int(id)))").show()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "storage" / "jobs").mkdir(parents=True)
    (folder / "storage" / "jobs" / "job.py").write_text(JOB)
    family = ProcessFamily(f"test:{folder}")
    try:
        yield LocalServerProcess(family, folder / "storage", folder / "server.log")
    finally:
        family.stop()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"spark.driver.memory": "600m"}, "out of memory (java.lang.OutOfMemoryError: Java heap space)"),
        (
            {"spark.driver.memory": "plenty"},
            "wrong Spark configuration (Error: Could not create the Java Virtual Machine.)",
        ),
    ],
)
def test_a_failure_of_spark_has_its_cause(
    server: LocalServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], cause: str
) -> None:
    connection = {"conn_type": "wherobots", "host": server.url, "password": server.api_key}
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
    task = WherobotsRunOperator(
        task_id="task",
        run_python={"uri": "s3://jobs/job.py"},
        environment={"sparkConfigs": {"spark.ui.enabled": "false", **settings}},
        deferrable=False,
        durable=False,
    )
    now = datetime.now(UTC)
    names = {"dag_id": "dag", "task_id": "task", "run_id": "manual", "map_index": -1, "try_number": 1, "max_tries": 0}
    ti = SimpleNamespace(**names, start_date=now, xcom_push=lambda key, value: None)
    context: Any = {"ti": ti, "dag_run": SimpleNamespace(start_date=now)}
    with pytest.raises(WherobotsRunFailedException) as failed:
        task.execute(context)
    assert str(failed.value).splitlines()[1].startswith(f"Probable cause: {cause}. ")
