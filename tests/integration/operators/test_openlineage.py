"""What Airflow's real OpenLineage provider puts into the create body, and what is done without it."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.openlineage import conf as openlineage_conf
from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

from airflow_provider_wherobots.tasks.run_attempt import OPENLINEAGE
from tests.integration import support
from tests.integration.support import Operator, Said
from wherobots_local.control.client import ControlClient

LOGICAL_DATE = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SETTING = "AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO"
PARENT = "spark.openlineage.parent"
ROOT = "spark.openlineage.rootParent"
NOT_INSTALLED = (
    "Creating the run without OpenLineage's properties: apache-airflow-providers-openlineage is not installed"
)


class NotInstalled:
    """Finds no provider, as where there is none."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == OPENLINEAGE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class TaskInstance(support.TaskInstance):
    """What OpenLineage's helpers use of Airflow's, too."""

    def get_template_context(self) -> Any:
        return context(self)


def context(ti: TaskInstance) -> Any:
    dag_run = SimpleNamespace(
        start_date=support.dag_run_start, logical_date=LOGICAL_DATE, run_after=LOGICAL_DATE, clear_number=0, conf={}
    )
    ti.__dict__.update(dag_run=dag_run, logical_date=LOGICAL_DATE, execution_date=LOGICAL_DATE)
    return {"ti": ti, "task_instance": ti, "dag_run": dag_run, "run_id": ti.run_id}


def parents(try_number: int) -> dict[str, str]:
    """The properties that name a try as the parent. Its run id is the one under which Airflow reports it."""
    run_id = OpenLineageAdapter.build_task_instance_run_id(
        dag_id="dag", task_id="task", try_number=try_number, logical_date=LOGICAL_DATE, map_index=-1
    )
    root = OpenLineageAdapter.build_dag_run_id(dag_id="dag", logical_date=LOGICAL_DATE, clear_number=0)
    return {
        f"{PARENT}JobNamespace": "default",
        f"{PARENT}JobName": "dag.task",
        f"{PARENT}RunId": run_id,
        f"{ROOT}RunId": root,
        f"{ROOT}JobName": "dag",
        f"{ROOT}JobNamespace": "default",
    }


@pytest.fixture(autouse=True)
def settings_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    forget_settings()


def forget_settings() -> None:
    for option in vars(openlineage_conf).values():
        if hasattr(option, "cache_clear"):
            option.cache_clear()


@pytest.fixture
def create(operator: Operator, control: ControlClient) -> Callable[..., dict[str, Any]]:
    """Run a task up to its create request, as Airflow does, and return the environment that the service received."""

    def run(try_number: int = 1, **arguments: Any) -> dict[str, Any]:
        task, ti = operator(wait_for_completion=False, **arguments), TaskInstance(try_number, 3)
        task.render_template_fields(context(ti))
        task.execute(context(ti))
        environment: dict[str, Any] = task.hook.get_run(ti.xcoms["run_id"]).payload["environment"]
        return environment

    return run


def test_the_create_body_names_the_try_as_the_parent(create: Any) -> None:
    environment = create(openlineage_inject_parent_job_info=True)
    assert (environment["sparkConfigs"], environment["dependencies"]) == (parents(1), [])


def test_airflows_setting_asks_for_it_and_the_argument_wins(create: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = {"spark.sql.shuffle.partitions": "4"}
    environment = {"sparkConfigs": configs, "sparkDriverDiskGB": 50}
    assert create(environment=environment)["sparkConfigs"] == configs
    monkeypatch.setenv(SETTING, "True")
    assert create(try_number=2, durable=False, environment=environment)["sparkConfigs"] == {**parents(2), **configs}
    left_out = create(durable=False, environment=environment, openlineage_inject_parent_job_info=False)
    assert left_out["sparkConfigs"] == configs


def test_what_the_user_sets_is_left_alone(create: Any) -> None:
    configs = {f"{PARENT}JobName": "mine"}
    environment = create(environment={"sparkConfigs": configs}, openlineage_inject_parent_job_info=True)
    assert environment["sparkConfigs"] == configs
    configs = {f"{ROOT}JobName": "mine"}
    environment = create(durable=False, environment={"sparkConfigs": configs}, openlineage_inject_parent_job_info=True)
    assert environment["sparkConfigs"] == {**parents(1), **configs}


def test_a_retry_re_attaches_without_a_word_about_its_parent(create: Any, said: Said) -> None:
    arguments: dict[str, Any] = {
        "run_python": {"uri": "s3://jobs/wait.py", "args": ["20"]},
        "openlineage_inject_parent_job_info": True,
        "retries": 3,
    }
    first, again = create(**arguments), create(try_number=2, **arguments)
    assert first["sparkConfigs"] == again["sparkConfigs"] == parents(1)
    text = said()
    assert "Re-attached to run" in text
    assert "differs from what this try would create" not in text


def test_without_the_provider_the_run_is_created_with_one_warning(
    create: Any, monkeypatch: pytest.MonkeyPatch, times_said: Callable[[str], int]
) -> None:
    for name in [name for name in sys.modules if name.startswith(OPENLINEAGE)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(), *sys.meta_path])
    environment = create(openlineage_inject_parent_job_info=True)
    assert "openlineage" not in json.dumps(environment)
    assert times_said(NOT_INSTALLED) == 1


def test_a_failure_of_the_provider_is_one_warning(
    create: Any, monkeypatch: pytest.MonkeyPatch, times_said: Callable[[str], int]
) -> None:
    def fail(**arguments: Any) -> str:
        raise ValueError("broken at https://user:secret@lineage.example.com")

    monkeypatch.setattr(OpenLineageAdapter, "build_task_instance_run_id", fail)
    assert not create(openlineage_inject_parent_job_info=True).get("sparkConfigs")
    told = "Creating the run without OpenLineage's properties: ValueError: broken at https://***@lineage.example.com"
    assert times_said(told) == 1
