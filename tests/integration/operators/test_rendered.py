"""What a task makes of its rendered arguments: the body of the create request."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.serialization import serialized_objects

from airflow_provider_wherobots.flows.submit import differing_fields
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.runs.run_name import Identity, durable_run_name
from airflow_provider_wherobots.tasks.attempt import Attempt
from tests.integration.conftest import API_KEY, set_connection
from tests.integration.support import TaskInstance

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


def test_the_body_is_a_detail_of_logs(task: Callable[..., Any], server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = json.dumps({"runtime": "small", "version": "preview"})
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY, extra=extra)
    notes: list[str] = []
    monkeypatch.setattr(Attempt, "note", lambda self, level, text: notes.append(text))
    made = task(name="show_{{ day }}", environment={"sparkConfigs": {"a.b": True}}, timeout_seconds="{{ n }}")
    ti = instance()
    made.render_template_fields(context(ti, day="2026-11-25", n=60))
    assert (made.name, made.timeout_seconds) == ("show_2026-11-25", "60")
    assert made.run_python == {"uri": "s3://jobs/talk.py", "args": [3, "2026-11-25"]}
    made.execute(context(ti))
    (logged,) = [text for text in notes if text.startswith("The create request: ")]
    sent = json.loads(logged.partition(": ")[2])
    assert sent == {
        "name": name_of("show_2026-11-25"),
        "runPython": {"uri": "s3://jobs/talk.py", "args": ["3", "2026-11-25"]},
        "runtime": "small",
        "version": "preview",
        "timeoutSeconds": 60,
        "environment": {"sparkConfigs": {"a.b": "true"}, "dependencies": []},
    }
    echoed = made.hook.get_run(ti.xcoms["run_id"]).payload
    assert differing_fields(sent, echoed) == []
    assert API_KEY not in "".join(notes)


@pytest.mark.parametrize(("given", "sent"), [(60, 60), (None, 5)])
def test_the_limit_is_timeout_seconds_or_of_execution(task: Callable[..., Any], given: int | None, sent: int) -> None:
    made = task(timeout_seconds=given, execution_timeout=timedelta(seconds=4.2))
    assert made.payload_to_send(context(instance()), None)["timeoutSeconds"] == sent


@pytest.mark.parametrize("map_index", [0, 1])
def test_of_a_mapped_task_each_instance_has_its_own(conn_id: str, map_index: int) -> None:
    with new_dag() as dag:
        mapped = WherobotsRunOperator.partial(
            task_id="run", wherobots_conn_id=conn_id, name="mapped_{{ day }}", wait_for_completion=False
        ).expand(run_python=[{"uri": "s3://jobs/talk.py", "args": [n, "{{ day }}"]} for n in range(2)])
    ti = instance(map_index)
    given = context(ti, day="2026-11-25", expanded_ti_count=2, dag=dag)
    ti.task = mapped
    mapped.render_template_fields(given)
    made = given["ti"].task
    made.execute(given)
    sent = made.hook.get_run(ti.xcoms["run_id"]).payload
    assert sent["name"] == name_of("mapped_2026-11-25", map_index)
    assert sent["runPython"]["args"] == [str(map_index), "2026-11-25"]


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
    for task_id in ("run", "mapped"):
        again = restored.get_task(task_id)
        assert again.template_fields_renderers["run_python"] == "json"
        assert sorted(again.extra_links) == ["Spark UI", "Wherobots run"]
