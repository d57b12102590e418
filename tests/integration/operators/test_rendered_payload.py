"""Airflow's page of rendered templates shows the create body, as it is sent, and says so before too."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.serialization import serialized_objects

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.runs.run_name import Identity, durable_run_name
from tests.integration.conftest import API_KEY, set_connection
from tests.integration.support import TaskInstance
from wherobots_local.control.client import ControlClient

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG

START = datetime(2026, 11, 25, 8, 0, 0, 123456, tzinfo=UTC)


def new_dag() -> Any:
    return DAG("rendered", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None)


def instance(map_index: int = -1) -> TaskInstance:
    return TaskInstance(
        dag_id="rendered", task_id="run", run_id="manual__1", map_index=map_index, is_mapped=map_index >= 0
    )


def context(ti: TaskInstance, **more: Any) -> Any:
    dag_run = SimpleNamespace(start_date=START, conf={})
    return {"ti": ti, "task_instance": ti, "dag_run": dag_run, "run_id": ti.run_id, **more}


def name_of(name: str, map_index: int = -1) -> str:
    return durable_run_name(name, Identity.of_task("rendered", "manual__1", "run", map_index, START))


def shown(task: Any) -> Any:
    """The field as Airflow stores it for the page."""
    from airflow.serialization.helpers import serialize_template_field

    return serialize_template_field(task.payload, "payload")


@pytest.fixture
def task(conn_id: str) -> Callable[..., Any]:
    def make(**arguments: Any) -> Any:
        with new_dag():
            return WherobotsRunOperator(
                **{
                    "task_id": "run",
                    "run_python": {"uri": "s3://jobs/talk.py", "args": [3, "{{ day }}"]},
                    "wherobots_conn_id": conn_id,
                    "wait_for_completion": False,
                    **arguments,
                }
            )

    return make


def test_it_is_what_is_sent(
    task: Callable[..., Any], control: ControlClient, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = json.dumps({"runtime": "small", "version": "preview"})
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY, extra=extra)
    made = task(name="show_{{ day }}", environment={"sparkConfigs": {"a.b": True}}, timeout_seconds="{{ n }}")
    ti = instance()
    made.render_template_fields(context(ti, day="2026-11-25", n=60))
    assert shown(made) == {
        "name": name_of("show_2026-11-25"),
        "runPython": {"uri": "s3://jobs/talk.py", "args": ["3", "2026-11-25"]},
        "runtime": "small",
        "version": "preview",
        "timeoutSeconds": 60,
        "environment": {"sparkConfigs": {"a.b": "true"}, "dependencies": []},
    }
    made.execute(context(ti))
    echoed = made.hook.get_run(ti.xcoms["run_id"]).payload
    assert {key: echoed[key] for key in ("name", "runtime", "version", "timeoutSeconds")} == {
        key: shown(made)[key] for key in ("name", "runtime", "version", "timeoutSeconds")
    }
    assert API_KEY not in json.dumps(shown(made))


@pytest.mark.parametrize(("given", "sent"), [(60, 60), (None, 5)])
def test_the_services_limit_is_timeout_seconds_else_execution_timeout(
    task: Callable[..., Any], given: int | None, sent: int
) -> None:
    made = task(timeout_seconds=given, execution_timeout=timedelta(seconds=4.2))
    made.render_template_fields(context(instance(), day="2026-11-25"))
    assert shown(made)["timeoutSeconds"] == sent


@pytest.mark.parametrize("map_index", [0, 1])
def test_of_a_mapped_task_each_instance_shows_its_own(conn_id: str, map_index: int) -> None:
    with new_dag() as dag:
        mapped = WherobotsRunOperator.partial(
            task_id="run", wherobots_conn_id=conn_id, name="mapped_{{ day }}", runtime="tiny"
        ).expand(run_python=[{"uri": "s3://jobs/talk.py", "args": [n, "{{ day }}"]} for n in range(2)])
    ti = instance(map_index)
    given = context(ti, day="2026-11-25", expanded_ti_count=2, dag=dag)
    ti.task = mapped
    mapped.render_template_fields(given)
    assert shown(given["ti"].task) == {
        "name": name_of("mapped_2026-11-25", map_index),
        "runPython": {"uri": "s3://jobs/talk.py", "args": [str(map_index), "2026-11-25"]},
        "runtime": "tiny",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "{{ day }}"}, "name='short': must be 8 to 255"),
        ({"wherobots_conn_id": "nowhere_to_be_found"}, "nowhere_to_be_found"),
    ],
)
def test_what_is_wrong_is_shown_and_left_to_the_task_to_fail_with(
    task: Callable[..., Any], arguments: dict[str, Any], words: str
) -> None:
    made = task(**arguments)
    made.render_template_fields(context(instance(), day="short"))
    assert shown(made).startswith("cannot be built: ")
    assert words in shown(made)


def test_an_invalid_connection_is_shown_without_its_key(
    task: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, conn_type="wherobots", host="http://api.cloud.wherobots.com", password=API_KEY)
    made = task()
    made.render_template_fields(context(instance(), day="2026-11-25"))
    assert "plain http" in shown(made)
    assert API_KEY not in shown(made)


def test_what_a_secrets_backend_says_is_not_shown(task: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def get_connection(conn_id: str) -> Any:
        raise KeyError(f"vault://token:{API_KEY}@vault/{conn_id}")

    made = task()
    monkeypatch.setattr(made.hook, "get_connection", get_connection)
    made.render_template_fields(context(instance(), day="2026-11-25"))
    assert shown(made) == "cannot be built: KeyError"


def test_a_parsed_dag_is_the_same_each_time_and_keeps_its_dependencies(conn_id: str) -> None:
    found: Any = serialized_objects
    serializer = found.DagSerialization if hasattr(found, "DagSerialization") else found.SerializedDAG  # before 3.2

    def parse() -> Any:
        with new_dag() as dag:
            first = WherobotsRunOperator(
                task_id="first", wherobots_conn_id=conn_id, run_python={"uri": "s3://jobs/talk.py"}
            )
            WherobotsRunOperator(
                task_id="run", wherobots_conn_id=conn_id, run_python={"uri": "s3://b/x.py", "args": [first.output]}
            )
            WherobotsRunOperator.partial(task_id="mapped", wherobots_conn_id=conn_id).expand(
                run_python=[{"uri": "s3://b/x.py"}]
            )
        return dag

    dag = parse()
    assert dag.get_task("run").upstream_task_ids == {"first"}
    serialized = serializer.to_dict(dag)
    assert serialized == serializer.to_dict(parse())
    assert " at 0x" not in json.dumps(serialized)
    restored = serializer.from_dict(serialized)
    assert restored.get_task("run").payload == "known once the task runs"
    for task_id in ("run", "mapped"):
        again = restored.get_task(task_id)
        assert "payload" in again.template_fields
        assert again.template_fields_renderers["payload"] == "json"
        assert sorted(again.extra_links) == ["Spark UI", "Wherobots run"]
