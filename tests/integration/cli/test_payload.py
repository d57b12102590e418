"""`payload` with a real DAG file: what is printed, that nothing is sent, and what is an error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.cli.main import main
from airflow_provider_wherobots.compat import AIRFLOW
from tests.integration.conftest import API_KEY, set_connection
from wherobots_local.control.client import ControlClient

DAGS = """
from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task, task_group
except ImportError:
    from airflow.decorators import dag, task, task_group

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor

SCRIPT = "s3://bucket/job.py"


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, params={"country": "DE"})
def payloads():
    first = WherobotsRunOperator(
        task_id="stats",
        run_python={"uri": "jobs/stats.py", "args": ["{{ ds }}", "{{ params.country }}", "--token", "hunter2"]},
        runtime="{{ 'small' }}",
        region="{{ var.value.get('payload_region', 'aws-eu-west-1') }}",
        execution_timeout=timedelta(hours=2),
    )
    WherobotsRunOperator(task_id="plain", run_python={"uri": SCRIPT})
    WherobotsRunOperator.partial(task_id="tiles", run_python={"uri": SCRIPT}).expand(
        name=["tile_{{ ds }}_a", "tile_{{ ds }}_b"], runtime=["tiny", "small"]
    )
    WherobotsRunOperator.partial(task_id="of_results", run_python={"uri": SCRIPT}).expand(name=first.output)
    WherobotsRunOperator(task_id="of_a_result", run_python={"uri": "{{ ti.xcom_pull('stats') }}"})
    WherobotsRunOperator(task_id="no_script", run_python={"uri": "{{ '' }}"})
    WherobotsRunOperator(task_id="no_template", run_python={"uri": "s3://bucket/{{ nothing.at_all }}"})
    WherobotsRunSensor(task_id="sensor", run_id="run0")

    @task.wherobots(runtime="tiny", dependencies=["shapely==2.0.6"])
    def double(number, day):
        return number * 2

    double.partial(day="{{ ds }}").expand(number=[20, 21])

    @task_group
    def country(name):
        WherobotsRunOperator(task_id="of_country", run_python={"uri": SCRIPT, "args": [name]})

    country.expand(name=["Chad", "Peru"])


payloads()
"""
Payload = Callable[..., Any]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """Runs the command in this process. Returns its exit code, its output and its messages."""
    if AIRFLOW < (3, 0):
        request.getfixturevalue("database")
    (tmp_path / "payloads.py").write_text(DAGS)
    monkeypatch.setattr("airflow.settings.DAGS_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    if (3, 0) <= AIRFLOW < (3, 1):
        # It asks a running task's supervisor for a variable that is not set, although the template has a default.
        monkeypatch.setenv("AIRFLOW_VAR_PAYLOAD_REGION", "aws-eu-west-1")

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return (main(["payload", "payloads", *arguments]), *capsys.readouterr())

    return run


@pytest.fixture
def payload(command: Callable[..., Any]) -> Payload:
    def printed(*arguments: str) -> Any:
        code, out, err = command(*arguments, "--date", "2026-11-26")
        assert code == 0, err
        return json.loads(out)

    return printed


def test_it_prints_the_request_without_a_connection(payload: Payload) -> None:
    assert payload("stats") == {
        "region": "aws-eu-west-1",
        "payload": {
            "name": "payloads.stats",
            "runPython": {"uri": "jobs/stats.py", "args": ["2026-11-26", "DE", "--token", "***"]},
            "runtime": "small",
            "timeoutSeconds": 7200,
        },
    }
    assert payload("plain") == {
        "region": None,
        "payload": {"name": "payloads.plain", "runPython": {"uri": "s3://bucket/job.py"}},
    }


def test_the_connections_defaults_are_in_the_request_and_nothing_is_sent(
    payload: Payload, control: ControlClient, conn_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {"region": "aws-us-west-2", "runtime": "medium", "version": "preview"}
    set_connection(monkeypatch, conn_type="wherobots", password=API_KEY, extra=defaults)
    found = payload("plain")
    assert found["region"] == "aws-us-west-2"
    assert (found["payload"]["runtime"], found["payload"]["version"]) == ("medium", "preview")
    assert payload("stats")["payload"]["runtime"] == "small"
    assert control.requests() == []


def test_the_request_of_a_mapped_task(payload: Payload) -> None:
    found = [payload("tiles", "--map-index", str(index))["payload"] for index in range(4)]
    assert [(one["name"], one["runtime"]) for one in found] == [
        ("tile_2026-11-26_a", "tiny"),
        ("tile_2026-11-26_a", "small"),
        ("tile_2026-11-26_b", "tiny"),
        ("tile_2026-11-26_b", "small"),
    ]
    assert payload("country.of_country", "--map-index", "1")["payload"]["runPython"]["args"] == ["Peru"]


def test_the_request_of_a_function(payload: Payload) -> None:
    run = payload("double", "--map-index", "1")["payload"]
    assert run["runPython"]["uri"] == "payloads.py"
    assert json.loads(run["runPython"]["args"][0]) == {"args": [21, "2026-11-26"], "kwargs": {}}
    assert run["environment"]["dependencies"][0]["libraryName"] == "shapely"


IN_DATABASE = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2.11 reads XComs from its database")
NOT_RUN = "a template reads an earlier task's result, or a variable that is not set"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nothing", "no task 'nothing' in the DAG 'payloads'"),
        ("sensor", "the task 'sensor' creates no Wherobots run: WherobotsRunSensor"),
        ("no_script", "WherobotsArgumentException: no_script: run_python['uri']='': must be a non-empty string"),
        ("no_template", "UndefinedError: 'nothing' is undefined"),
        ("tiles", "a mapped task needs --map-index"),
        ("plain --map-index 0", "only a mapped task has --map-index"),
        ("tiles --map-index 4", "--map-index 4: must be below 4"),
        ("country.of_country --map-index 2", "--map-index 2: must be below 2"),
        pytest.param("of_results --map-index 0", NOT_RUN, marks=IN_DATABASE),
        pytest.param("of_a_result", NOT_RUN, marks=IN_DATABASE),
    ],
)
def test_what_is_wrong_is_one_error(arguments: str, message: str, command: Callable[..., Any]) -> None:
    code, out, err = command(*arguments.split())
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"error: {message}"


def test_a_dag_that_cannot_be_parsed_is_shown(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "payloads.py").write_text(DAGS.replace('task_id="plain"', 'task_id="plain", name="short"'))
    code, out, err = command("plain")
    assert (code, out) == (1, "")
    assert "name='short': must be 8 to 255 characters" in err
    assert err.splitlines()[-1] == f"error: no DAG 'payloads' in {tmp_path} ([core] dags_folder)"


@pytest.mark.parametrize("arguments", ["plain --date yesterday", "plain --map-index -1", "plain --map-index x", ""])
def test_wrong_arguments(arguments: str, command: Callable[..., Any]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command(*arguments.split())
