"""Every address that the provider prints or stores for a local server opens in a browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_wherobots.cli.main import main
from airflow_provider_wherobots.exceptions import WherobotsRunFailedException, WherobotsSqlException
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from tests.integration.conftest import API_KEY, JOBS
from tests.integration.support import Operator, Said, TaskInstance, context
from wherobots_local import ControlClient, LocalServer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server of its own, with SQL sessions that need no Spark."""
    root: Path = tmp_path_factory.mktemp("root")
    (root / "jobs").mkdir()
    for name in ("talk.py", "fail.py"):
        (root / "jobs" / name).write_text(JOBS[name])
    with LocalServer(root, api_key=API_KEY, behaviour={"sql_synthetic": True}) as running:
        yield running


def test_every_address_that_is_printed_or_stored_opens_in_a_browser(
    server: LocalServer, control: ControlClient, conn_id: str, operator: Operator, said: Said
) -> None:
    tis = [TaskInstance() for _ in range(4)]
    run, failed, sensor, sql = tis
    run_id = operator(deferrable=False).execute(context(run))
    with pytest.raises(WherobotsRunFailedException) as run_error:
        operator(deferrable=False, run_python={"uri": "s3://jobs/fail.py"}).execute(context(failed))
    WherobotsRunSensor(task_id="sensor", run_id=run_id, deferrable=False, wait_post_run_logs_timeout_seconds=1).execute(
        context(sensor)
    )
    control.answer_sql("SELECT wrong", error="[TABLE_OR_VIEW_NOT_FOUND] nothing there")
    with pytest.raises(WherobotsSqlException) as sql_error:
        WherobotsSqlOperator(task_id="task", sql=["SELECT 1", "SELECT wrong"], deferrable=False).execute(context(sql))
    works, tested = WherobotsHook(conn_id).test_connection()
    assert works, tested
    for command in (["runs", "list"], ["doctor"]):
        assert main([*command, "--output", "json"]) == 0

    xcoms = json.dumps([ti.xcoms for ti in tis], default=str)
    assert _addresses(server, xcoms) == {f"/runs/{run_id}", f"/runs/{failed.xcoms['run_id']}", "/workloads"}
    for path in _addresses(server, xcoms, tested, said(), str(run_error.value), str(sql_error.value)):
        page = requests.get(f"{server.url}{path}", headers=BROWSER, timeout=30)
        found = (path, page.status_code, page.headers["Content-Type"])
        assert found == (path, 200, "text/html; charset=utf-8")


def _addresses(server: LocalServer, *texts: Any) -> set[str]:
    """The paths of the server's addresses in texts."""
    return set(re.findall(rf"{re.escape(server.url)}([\w/%:.-]*\w|)", "\n".join(texts)))
