"""The metrics of SQL statements, as they reach Airflow's own client."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_wherobots.compat import get_stats
from airflow_provider_wherobots.exceptions import WherobotsSqlStatementFailedException
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from tests.integration import sql_support
from tests.integration.sql_support import set_connection
from tests.integration.support import TaskInstance, context
from wherobots_local import ControlClient, LocalServer

server, control = sql_support.server, sql_support.control


def test_each_statement_is_timed(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server, conn_type="wherobots")
    control.answer_sql("SELECT nothing", error="[TABLE_OR_VIEW_NOT_FOUND] nothing")
    sent: list[tuple[str, timedelta, dict[str, str]]] = []

    def timing(name: str, value: timedelta, *, tags: dict[str, Any]) -> None:
        sent.append((name, value, tags))

    monkeypatch.setattr(get_stats(), "timing", timing, raising=False)
    task = WherobotsSqlOperator(task_id="task", sql=["SELECT 7 AS n", "SELECT nothing"], deferrable=False)
    with pytest.raises(WherobotsSqlStatementFailedException):
        task.execute(context(TaskInstance()))
    assert {name for name, _, _ in sent} == {"wherobots.sql.statement"}
    assert [(tags["task_id"], tags["region"], tags["status"]) for _, _, tags in sent] == [
        ("task", "aws-us-west-2", "succeeded"),
        ("task", "aws-us-west-2", "failed"),
    ]
    assert all(value > timedelta(0) for _, value, _ in sent)
