"""The id of a connection: a template wherever Airflow allows one, and an error if it is none."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from tests.integration.conftest import API_KEY
from tests.integration.support import TaskInstance, context, deferral_of
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

try:
    from airflow.sdk import DAG, XComArg, task
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined, unused-ignore]
    from airflow.models.xcom_arg import XComArg  # type: ignore[no-redef, import-not-found, unused-ignore]

TALK = {"uri": "s3://jobs/talk.py", "args": [1]}
TEMPLATE = "tenant_{{ params['tenant'] }}"


def decorated(**arguments: Any) -> Any:
    def run() -> None: ...

    return task.wherobots(**arguments)(run)().operator


KINDS: dict[str, Callable[..., Any]] = {
    "operator": lambda **given: WherobotsRunOperator(task_id="run", run_python=TALK, **given),
    "decorator": decorated,
    "sensor": lambda **given: WherobotsRunSensor(task_id="run", run_id="r1", **given),
    "SQL": lambda **given: WherobotsSqlOperator(task_id="run", sql="SELECT 1", **given),
}


@pytest.fixture
def tenants(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of a tenant, and no default."""
    connection = {"conn_type": "wherobots", "host": server.url, "password": API_KEY, "extra": {"runtime": "small"}}
    monkeypatch.setenv("AIRFLOW_CONN_TENANT_BLUE", json.dumps(connection))


def rendered(make: Callable[..., Any], **arguments: Any) -> Any:
    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        made = make(wherobots_conn_id=TEMPLATE, **arguments)
    made.render_template_fields({**context(TaskInstance()), "params": {"tenant": "blue"}})
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, "", "None", 7])
def test_no_id_is_an_error_when_the_dag_is_parsed(kind: str, value: Any) -> None:
    with DAG("dag", schedule=None), pytest.raises(WherobotsArgumentException) as failed:
        KINDS[kind](wherobots_conn_id=value)
    assert str(failed.value) == f"run: wherobots_conn_id={value!r}: must be the id of a connection"


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_rendered_before_the_connection_is_read(kind: str, tenants: None) -> None:
    made = rendered(KINDS[kind])
    assert made.wherobots_conn_id == "tenant_blue"
    assert made.hook.settings.runtime == "small"


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_of_another_task_is_taken_and_makes_it_an_upstream_task(kind: str) -> None:
    with DAG("dag", schedule=None):
        other = WherobotsRunSensor(task_id="other", run_id="r1")
        made = KINDS[kind](wherobots_conn_id=XComArg(other))
    assert made.upstream_task_ids == {"other"}


def test_a_template_that_renders_to_no_id_fails_without_a_retry(tenants: None) -> None:
    with DAG("dag", schedule=None):
        made = KINDS["operator"](wherobots_conn_id="{{ tenant }}")
    with pytest.raises(WherobotsArgumentException, match=r"^run: wherobots_conn_id='': must be the id") as failed:
        made.render_template_fields({**context(TaskInstance()), "tenant": ""})
    assert isinstance(failed.value, AirflowFailException)


def test_the_payload_and_the_trigger_have_the_rendered_connection(tenants: None, control: ControlClient) -> None:
    made = rendered(KINDS["operator"])
    deferred = deferral_of(made, TaskInstance())
    assert deferred.trigger.serialize()[1]["wherobots_conn_id"] == "tenant_blue"
    (created,) = control.requests("createJobRun")
    assert made.hook.get_run(created["run_id"]).payload["runtime"] == "small"
