"""What the operator takes and what it refuses, when the DAG is parsed and once templates are rendered."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pendulum
import pytest
from airflow.serialization import serialized_objects

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.config import POLLING_INTERVAL
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.flows.follow import MIN_POLL_SECONDS
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from tests.integration.conftest import API_KEY
from tests.integration.support import Operator, TaskInstance, context, deferral_of
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

try:
    from airflow.sdk import DAG, TaskGroup
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.utils.task_group import TaskGroup  # type: ignore[no-redef, import-not-found, unused-ignore]

START = datetime(2026, 11, 25, 8, 0, 0, 123456, tzinfo=UTC)
TALK = {"uri": "s3://jobs/talk.py", "args": [1]}
NUMBERS = ("polling_interval", "max_outage_seconds", "max_pending_seconds", "wait_post_run_logs_timeout_seconds")
FLAGS = ("poll_logs", "deferrable", "durable", "cancel_on_kill", "wait_for_completion")


class Region(str, Enum):  # noqa: UP042 - the official provider's enums are of this kind
    EU = "aws-eu-west-1"


@pytest.mark.parametrize("argument", NUMBERS)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, -1, "30", True])
def test_a_number_of_seconds_is_finite_and_the_error_begins_with_the_task(argument: str, value: Any) -> None:
    with pytest.raises(WherobotsArgumentException, match=f"^task: {argument}={value!r}: must be a finite"):
        WherobotsRunOperator(task_id="task", run_python=TALK, **{argument: value})


@pytest.mark.parametrize("value", ["inf", "nan", "-1"])
@pytest.mark.parametrize("option", ["polling_interval", "max_outage_seconds", "max_pending_seconds"])
def test_so_is_what_the_deployment_sets(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW__WHEROBOTS__{option.upper()}", value)
    with pytest.raises(WherobotsArgumentException, match=rf"^task: \[wherobots\] {option}={float(value)!r}: must be a"):
        WherobotsRunOperator(task_id="task", run_python=TALK)


def test_only_the_polling_interval_has_a_least_value() -> None:
    assert POLLING_INTERVAL.least == MIN_POLL_SECONDS
    task = WherobotsRunOperator(
        task_id="task", run_python=TALK, max_outage_seconds=0, wait_post_run_logs_timeout_seconds=0
    )
    assert (task.max_outage_seconds, task.wait_post_run_logs_timeout_seconds) == (0, 0)
    with pytest.raises(WherobotsArgumentException, match=r"^task: polling_interval=1.9: must be .*, 2 or more$"):
        WherobotsRunOperator(task_id="task", run_python=TALK, polling_interval=1.9)


@pytest.mark.parametrize("argument", FLAGS)
@pytest.mark.parametrize("value", ["yes", "False", 1, "{{ params.flag }}"])
def test_a_flag_is_true_or_false_and_nothing_else(argument: str, value: Any) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"must be True or False$") as caught:
        WherobotsRunOperator(task_id="task", run_python=TALK, **{argument: value})
    assert str(caught.value).startswith(f"task: {argument}={value!r}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"region": " "}, "region=' ': must be a non-empty string; omit it or pass None to use the default"),
        ({"run_python": {"uri": "gs://dags/job.py"}}, "must be an S3 address, such as s3://bucket/key"),
    ],
)
def test_in_a_task_group_the_error_names_the_whole_task(arguments: dict[str, Any], words: str) -> None:
    with DAG("dag", start_date=START, schedule=None), TaskGroup("group"):  # noqa: SIM117
        with pytest.raises(WherobotsArgumentException) as caught:
            WherobotsRunOperator(**{"task_id": "task", "run_python": TALK, **arguments})
    assert str(caught.value).startswith("group.task: ")
    assert words in str(caught.value)


def executed(task: WherobotsRunOperator) -> dict[str, Any]:
    """Render nothing more, and create the run."""
    ti = TaskInstance()
    task.execute(context(ti))
    xcoms: dict[str, Any] = ti.xcoms
    return xcoms


@pytest.mark.parametrize(
    ("rendered", "words"),
    [
        ({"region": ""}, "task: region='': must be"),
        ({"runtime": " "}, "task: runtime=' ': must be"),
        ({"run_python": {"uri": "job.py"}}, "task: run_python['uri']='job.py': there is no file"),
    ],
)
def test_what_is_wrong_is_not_sent(rendered: dict[str, Any], words: str, conn_id: str, control: ControlClient) -> None:
    task = WherobotsRunOperator(
        task_id="task",
        run_python={"uri": "{{ uri }}"},
        region="{{ region }}",
        runtime="{{ runtime }}",
        wherobots_conn_id=conn_id,
    )
    for field, value in ({"run_python": TALK, "region": "x", "runtime": "tiny"} | rendered).items():
        setattr(task, field, value)
    with pytest.raises(WherobotsArgumentException) as caught:
        executed(task)
    assert words in str(caught.value)
    assert control.counts()["creates_received"] == 0


@pytest.mark.parametrize("region", [" aws-eu-west-1\n", Region.EU])
def test_a_region_is_stripped_and_may_be_an_enum_member(region: Any, conn_id: str, control: ControlClient) -> None:
    task = WherobotsRunOperator(
        task_id="task", run_python=TALK, region="{{ region }}", wherobots_conn_id=conn_id, wait_for_completion=False
    )
    task.region = region
    executed(task)
    assert control.requests("createJobRun")[0]["query"] == "region=aws-eu-west-1"


def test_a_duration_as_timeout_survives_the_serialized_dag() -> None:
    found: Any = serialized_objects
    serializer = found.DagSerialization if hasattr(found, "DagSerialization") else found.SerializedDAG  # before 3.2
    each: list[Any] = [timedelta(minutes=3), pendulum.duration(minutes=4), 300]
    with DAG("dag", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), schedule=None) as dag:
        plain = WherobotsRunOperator(task_id="plain", run_python=TALK, timeout_seconds=timedelta(minutes=90))
        WherobotsRunOperator(task_id="words", run_python=TALK, timeout_seconds=pendulum.duration(hours=1))
        WherobotsRunOperator.partial(task_id="partial", timeout_seconds=timedelta(minutes=2)).expand(run_python=[TALK])
        WherobotsRunOperator.partial(task_id="expand", run_python=TALK).expand(timeout_seconds=each)

    restored = serializer.from_dict(json.loads(json.dumps(serializer.to_dict(dag))))

    assert plain.timeout_seconds == 5400
    assert str(restored.get_task("plain").timeout_seconds) == "5400"
    assert str(restored.get_task("words").timeout_seconds) == "3600"
    assert {"partial", "expand"} <= set(restored.task_dict)
    partial: Any = dag.get_task("partial")
    assert partial.unmap({"run_python": TALK}).timeout_seconds == 120
    expand: Any = dag.get_task("expand")
    assert [expand.unmap({"timeout_seconds": value}).timeout_seconds for value in each] == [180, 240, 300]


@pytest.mark.parametrize(
    "arguments", [{"name": "ab"}, {"run_python": {"uri": ""}}, {"polling_interval": -1}, {"durable": "no"}]
)
def test_a_wrong_argument_of_a_mapped_task_is_not_retried(arguments: dict[str, Any]) -> None:
    """Its worker makes it, outside of what applies the retry rules."""
    given = {"run_python": TALK, **arguments}
    mapped: Any = WherobotsRunOperator.partial(task_id="task").expand(**{name: [given[name]] for name in given})
    with pytest.raises(WherobotsArgumentException, match=r"^task: ") as wrong:
        mapped.unmap(given)
    assert isinstance(wrong.value, AirflowFailException)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"run_python": None}, "set run_python or run_jar"),
        ({"run_python": {"args": []}}, r"run_python\['uri'\]: is missing"),
        ({"name": "short"}, "name='short': must be 8 to 255"),
        ({"timeout_seconds": 0}, "timeout_seconds=0: must be a whole number above 0"),
        ({"polling_interval": -1}, "^task: polling_interval=-1: must be a finite number of seconds, 2 or more$"),
        ({"runtime_on_out_of_memory": []}, r"runtime_on_out_of_memory=\[\]: must be 'next', a runtime, or a list of"),
        ({"runtime_on_out_of_memory": ["small", "next"]}, "runtime_on_out_of_memory=.*: must be 'next', a runtime, or"),
        (
            {"runtime_on_out_of_memory": ["small", "small"]},
            "runtime_on_out_of_memory=.*: must be 'next', a runtime, or",
        ),
        ({"runtime_on_out_of_memory": ["small", 2]}, r"runtime_on_out_of_memory\[1\]=2: must be a non-empty string"),
        ({"runtime_on_out_of_memory": ""}, "runtime_on_out_of_memory='': must be a non-empty string"),
        ({"runtime_on_out_of_memory": "next", "runtime": "huge"}, "='next': what follows runtime='huge' is unknown"),
        ({"runtime_on_out_of_memory": "next"}, "runtime_on_out_of_memory: needs retries, because only a retry gets"),
        (
            {"runtime_on_out_of_memory": "next", "retries": 1, "durable": False},
            "needs durable=True and wait_for_completion=True",
        ),
        ({"environment": {"sparkConfigs": {"a": ["b"]}}}, r"environment\['sparkConfigs'\]\['a'\]"),
    ],
)
def test_a_wrong_argument_is_told_when_the_dag_is_parsed(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=words):
        WherobotsRunOperator(**{"task_id": "task", "run_python": TALK, **arguments})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: WherobotsRunOperator(task_id="t", run_python=TALK, dependencies=["a"]),
            "dependencies: use environment=",
        ),
        (lambda: WherobotsSqlOperator(task_id="t", sql="SELECT 1", conn_id="x"), "conn_id: use wherobots_conn_id$"),
    ],
)
def test_an_argument_of_another_operator_is_told_with_the_one_to_use(make: Callable[[], object], words: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=f"^t: {words}"):
        make()


@pytest.mark.parametrize("name", ["{# why #}", "{# why #}hail_stats", "{% if x %}{% endif %}", "{{ '' }}  "])
def test_a_name_with_any_form_of_jinja_is_a_template(name: str) -> None:
    assert WherobotsRunOperator(task_id="task", run_python=TALK, name=name).name == name


def test_a_comment_in_a_name_leaves_no_trace(operator: Operator) -> None:
    task, ti = operator(name="{# why #}hail_stats", durable=False, wait_for_completion=False), TaskInstance()
    task.render_template_fields(context(ti))
    task.execute(context(ti))
    assert task.hook.get_run(ti.xcoms["run_id"]).payload["name"] == "hail_stats"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (True, 30.0, 600.0)),
        ({"default_deferrable": "False", "polling_interval": "12.5", "max_outage_seconds": "60"}, (False, 12.5, 60.0)),
    ],
)
def test_the_deployment_sets_defaults_and_a_task_wins_over_them(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], expected: tuple[bool, float, float]
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__WHEROBOTS__{name.upper()}", value)
    task = WherobotsRunOperator(task_id="task", run_python=TALK)
    assert (task.deferrable, task.polling_interval, task.max_outage_seconds) == expected
    own = WherobotsRunOperator(
        task_id="task", run_python=TALK, deferrable=True, polling_interval=5, max_outage_seconds=0
    )
    assert (own.deferrable, own.polling_interval, own.max_outage_seconds) == (True, 5, 0)


try:
    from airflow.sdk import DAG, XComArg, task
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined, unused-ignore]
    from airflow.models.xcom_arg import XComArg  # type: ignore[no-redef, import-not-found, unused-ignore]

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
