"""``@task.wherobots``: what Airflow makes of it, and functions that run on the local server."""

import json
import re
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred
from airflow.serialization import serialized_objects

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.decorators import wherobots
from airflow_provider_wherobots.decorators.wherobots import WherobotsDecoratedOperator, wherobots_task
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsResultLostException,
    WherobotsResultRefusedException,
    WherobotsRunFailedException,
)
from airflow_provider_wherobots.flows.quota import QuotaWait
from tests.integration.decorators import decorated_functions as functions
from tests.integration.support import Said, TaskInstance, context, follow
from wherobots_local.control.client import ControlClient

try:
    from airflow.sdk import DAG, task
    from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined, unused-ignore]
    from airflow.utils.dag_parsing_context import (  # type: ignore[no-redef, import-not-found, unused-ignore]
        _airflow_parsing_context_manager,
    )

FILE = Path(functions.__file__)


def new_dag() -> Any:
    return DAG("dag", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None)


def operator_of(decorated: Any, *args: Any, **kwargs: Any) -> Any:
    """The operator behind a call of a decorated function."""
    with new_dag():
        return decorated(*args, **kwargs).operator


def given(ti: TaskInstance, **more: Any) -> Any:
    values = context(ti)
    values["dag_run"].conf = {}
    return {**values, "task_instance": ti, "run_id": ti.run_id, **more}


def run_to_end(operator: Any, ti: TaskInstance | None = None, **more: Any) -> Any:
    """Render and run the task as Airflow would, through its deferral."""
    ti = ti or TaskInstance()
    operator.render_template_fields(given(ti, **more))
    try:
        return operator.execute(given(ti, **more))
    except TaskDeferred as deferred:
        return operator.execute_complete(given(ti, **more), follow(deferred), **(deferred.kwargs or {}))


def test_airflow_finds_it_by_the_providers_metadata() -> None:
    operator = operator_of(functions.add, 1)
    assert type(operator) is WherobotsDecoratedOperator
    assert operator.operator_name == "@task.wherobots"
    assert (operator.task_id, operator.runtime) == ("add", "tiny")


def test_a_dag_with_decorated_functions_is_stored_and_read_again() -> None:
    with new_dag() as dag:

        @task
        def numbers() -> list[int]:
            return [1, 2]

        given_numbers: Any = numbers()
        summed: Any = functions.returns_a_mapping(given_numbers)
        functions.add(summed["sum"], two={"nested": [numbers.override(task_id="more")()]})
        functions.echo.expand(value=numbers.override(task_id="each")())
        functions.echo.override(task_id="other", runtime="small")(1)
    found: Any = serialized_objects
    serializer = found.DagSerialization if hasattr(found, "DagSerialization") else found.SerializedDAG  # before 3.2
    stored = json.dumps(serializer.to_dict(dag))
    restored = serializer.from_dict(json.loads(stored))

    assert {each.task_id: sorted(each.upstream_task_ids) for each in restored.tasks if "echo" not in each.task_id} == {
        "numbers": [],
        "more": [],
        "each": [],
        "other": [],
        "returns_a_mapping": ["numbers"],
        "add": ["more", "returns_a_mapping"],
    }
    assert restored.get_task("echo").upstream_task_ids == {"each"}
    assert restored.get_task("returns_a_mapping").operator_name == "@task.wherobots"
    assert dag.get_task("returns_a_mapping").multiple_outputs is True
    assert dag.get_task("returns_a_mapping").doc_md == "Say the sum."
    assert dag.get_task("other").runtime == "small"
    assert operator_of(functions.returns_a_dict).multiple_outputs is False
    # Stored again, it is the same: a difference would be a new version of the DAG.
    assert json.dumps(serializer.to_dict(dag)) == stored


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"run_python": {"uri": "s3://b/x.py"}}, "f: run_python: must not be given; @task.wherobots sets it"),
        ({"run_jar": {"uri": "s3://b/x.jar"}}, "f: run_jar: must not be given"),
        ({"return_result": False}, "f: return_result: must not be given"),
        (
            {"dependencies": ["a"], "environment": {"dependencies": []}},
            "f: dependencies, environment: packages must be in one of them",
        ),
        ({"dependencies": ["a"], "environment": "{{ x }}"}, "f: dependencies, environment: packages must be in one"),
        ({"dependencies": "shapely"}, "f: environment['dependencies']='shapely': must be a list"),
        ({"dependencies": ["shapely>=2"]}, "f: environment['dependencies'][0]='shapely>=2': must be a PyPI package"),
    ],
)
def test_a_wrong_argument_is_told_when_the_dag_is_parsed(arguments: dict[str, Any], words: str) -> None:
    def f() -> None: ...

    with new_dag(), pytest.raises(WherobotsArgumentException) as caught:
        wherobots_task(**arguments)(f)()
    assert str(caught.value).startswith(words)


def test_a_parameter_whose_value_is_not_sent_is_told_when_the_dag_is_parsed() -> None:
    def f(day: str, ti: Any = None) -> None: ...

    with new_dag(), pytest.raises(WherobotsArgumentException, match=r"^f: f\(\) has a parameter ti, and"):
        wherobots_task(f)("x")


def test_it_refuses_what_is_not_a_function() -> None:
    words = "@task.wherobots needs a function defined with def, not a lambda"
    with new_dag(), pytest.raises(ValueError, match=words):
        wherobots_task(task_id="f")(lambda: 1)()


def test_a_missing_or_superfluous_argument_is_told_with_the_function() -> None:
    def area(wkt: str, /, unit: str) -> None: ...

    calls: list[tuple[Any, Any, str]] = [
        ((), {}, "is missing the .*'wkt'"),
        (("x",), {}, "is missing the .*'unit'"),
        (("x", "m", 3), {}, "too many positional arguments"),
        (("x",), {"unit": "m", "crs": 1}, "got an unexpected keyword argument 'crs'"),
    ]
    for args, kwargs, words in calls:
        with new_dag(), pytest.raises(WherobotsArgumentException, match=rf"^area: area\(\) {words}$"):
            wherobots_task(area)(*args, **kwargs)


def test_a_name_that_the_run_will_not_have_is_warned_of_when_the_dag_is_parsed() -> None:
    @wherobots_task
    def f(x: int) -> str:
        return re.sub("a", "b", str(x))

    with new_dag(), pytest.warns(UserWarning, match=r"^f\(\) uses 're', which it does not define") as caught:
        f(1)
    assert {each.filename for each in caught} == {__file__}


@pytest.mark.parametrize(("running", "warned"), [("f", 1), ("other", 0)])
def test_the_log_of_a_task_has_no_warning_about_another_function_of_the_file(running: str, warned: int) -> None:
    """Its process parses the whole file."""

    @wherobots_task
    def f(x: int) -> str:
        return re.sub("a", "b", str(x))

    warnings_of_file = f.function.__globals__.setdefault("__warningregistry__", {})
    warnings_of_file.clear()
    with (
        new_dag(),
        warnings.catch_warnings(record=True) as caught,
        _airflow_parsing_context_manager(dag_id="dag", task_id=running),
    ):
        warnings.simplefilter("always")
        f(1)
    assert len([each for each in caught if "does not define" in str(each.message)]) == warned


def test_packages_and_templates_reach_the_payload(conn_id: str) -> None:
    @task.wherobots(
        runtime="{{ params.runtime }}",
        dependencies=["shapely==2.0.6", "{{ params.package }}", {"filePath": "s3://b/x.whl"}],
        environment={"sparkConfigs": {"a.b": True}},
        name="name_{{ run_id }}",
        durable=False,
    )
    def f(day: str, words: list[str], run_id: str | None = None) -> None: ...

    operator = operator_of(f, "{{ day }}", words=["{{ run_id }}", "{% raw %}{{ x }}{% endraw %}"])
    params = {"runtime": "small", "package": "airportsdata==20260905"}
    now = given(TaskInstance(run_id="manual__1"), day="2026-11-26", params=params)
    operator.render_template_fields(now)
    with operator.script_of_this_try(now):
        payload = operator.payload_to_send(now, None)
    assert Path(payload["runPython"].pop("uri")).name == Path(__file__).name
    assert payload == {
        "name": "name_manual__1",
        "runPython": {"args": ['{"args": ["2026-11-26", ["manual__1", "{{ x }}"], "manual__1"], "kwargs": {}}']},
        "runtime": "small",
        "environment": {
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "shapely", "libraryVersion": "2.0.6"},
                {"sourceType": "PYPI", "libraryName": "airportsdata", "libraryVersion": "20260905"},
                {"sourceType": "FILE", "filePath": "s3://b/x.whl"},
            ],
            "sparkConfigs": {"a.b": "true"},
        },
    }


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_function_runs_and_returns(deferrable: bool, conn_id: str, said: Said) -> None:
    ti = TaskInstance()
    operator = operator_of(functions.add.override(deferrable=deferrable), "Zürich ", two="東京")
    assert run_to_end(operator, ti) == {"sum": "Zürich 東京", "run_id": ti.run_id}
    assert ti.xcoms["result"] == {"sum": "Zürich 東京", "run_id": ti.run_id}
    assert "adding 'Zürich ' and '東京'" in said() or deferrable


def test_a_return_value_that_is_lost_fails_the_task(conn_id: str, control: ControlClient) -> None:
    """It is not None: the task that follows would compute with that."""
    ti = TaskInstance()
    control.add_fault("getJobRunLogs", {"type": "status", "status": 403})
    with pytest.raises(
        WherobotsResultLostException, match=r"completed, but the value that echo\(\) returned is not"
    ) as lost:
        run_to_end(operator_of(functions.echo, 1), ti)
    assert ti.xcoms["run_id"] in str(lost.value)
    assert ti.xcoms["run_summary"]["status"] == "COMPLETED"


def test_the_functions_own_traceback_is_the_tasks_failure(conn_id: str) -> None:
    with pytest.raises(WherobotsRunFailedException) as caught:
        run_to_end(operator_of(functions.fails, "Atlantis"))
    assert not isinstance(caught.value, AirflowFailException), "it is retried"
    text = str(caught.value)
    line = FILE.read_text().splitlines().index("    print(places[place])") + 1
    assert re.search(r"^Run \w+ failed \(FAILED\): .*KeyError: 'Atlantis'$", text, re.MULTILINE)
    assert re.search(
        rf'^Traceback \(most recent call last\):\n  File ".*{FILE.name}", line {line}, in fails\n'
        r"    print\(places\[place\]\)\n(?:[ ~^]+\n)?KeyError: 'Atlantis'\Z",
        text,
        re.MULTILINE,
    ), text


@pytest.mark.parametrize(
    ("function", "args", "words"),
    [
        (functions.returns_what_json_cannot_hold, [], r"TypeError: .* returns_what_json_cannot_hold\(\), of type set"),
        (functions.repeats, ["x", 70_000], r"ValueError: the return value of repeats\(\) has 70,002 bytes of JSON"),
    ],
)
def test_a_value_that_cannot_be_sent_is_final(function: Any, args: list[Any], words: str, conn_id: str) -> None:
    with pytest.raises(WherobotsResultRefusedException, match=words) as failed:
        run_to_end(operator_of(function, *args))
    assert isinstance(failed.value, AirflowFailException)


def test_what_a_function_says_of_another_return_value_ends_no_retries(conn_id: str) -> None:
    with pytest.raises(WherobotsRunFailedException, match=r"the return value of fetch\(\) was empty") as failed:
        run_to_end(operator_of(functions.complains_of_a_return_value))
    assert not isinstance(failed.value, AirflowFailException)


def test_without_waiting_the_run_id_is_returned(conn_id: str) -> None:
    operator = operator_of(functions.returns_a_mapping.override(wait_for_completion=False, runtime="tiny"), [1])
    ti = TaskInstance()
    assert run_to_end(operator, ti) == ti.xcoms["run_id"]
    assert operator.multiple_outputs is False


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["{{ since }}"], "echo: argument value is of type datetime, which JSON cannot hold"),
    ],
)
def test_rendered_arguments_are_checked(args: list[str], words: str, conn_id: str, control: ControlClient) -> None:
    with DAG("native", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, render_template_as_native_obj=True):
        operator = functions.echo(*args).operator
    with pytest.raises(WherobotsArgumentException) as caught:
        run_to_end(operator, since=datetime(2026, 1, 1, tzinfo=UTC))
    assert str(caught.value).startswith(words)
    assert control.counts()["creates_received"] == 0
    assert control.requests("putObject") == []


def test_mapped_tasks_share_one_script_and_receive_their_own_arguments(conn_id: str, control: ControlClient) -> None:
    with new_dag() as dag:
        mapped = functions.echo.override(upload_to="s3://jobs/mapped").expand(value=["a", "b", "c"]).operator
    scripts = []
    for map_index, value in enumerate("abc"):
        ti = TaskInstance(task=mapped, is_mapped=True)
        ti.map_index = map_index
        more = given(ti, expanded_ti_count=3, dag=dag)
        mapped.render_template_fields(more)
        operator = more["ti"].task
        assert operator.execute(more) == value
        sent = operator.hook.get_run(ti.xcoms["run_id"]).payload["runPython"]
        assert json.loads(sent["args"][0]) == {"args": [value], "kwargs": {}}
        scripts.append(sent["uri"])
    assert scripts == [scripts[0]] * 3
    assert scripts[0].startswith("s3://jobs/mapped/")


def test_a_retry_re_attaches_to_the_same_run(conn_id: str, control: ControlClient, said: Said, tmp_path: Path) -> None:
    ti, over = TaskInstance(max_tries=2), tmp_path / "over"
    first, second = (operator_of(functions.waits.override(retries=2), str(over)) for _ in range(2))
    first.render_template_fields(given(ti))
    with pytest.raises(TaskDeferred):
        first.execute(given(ti))
    ti.try_number = 2
    run_id = ti.xcoms["run_id"]
    second.render_template_fields(given(ti))
    with pytest.raises(TaskDeferred) as caught:
        second.execute(given(ti))
    over.touch()
    assert second.execute_complete(given(ti), follow(caught.value), **(caught.value.kwargs or {})) == "waited"
    assert ti.xcoms["run_id"] == run_id
    assert control.counts()["creates_effective"] == 1
    assert "differ" not in said()


def test_a_quota_wait_needs_the_script_again(conn_id: str) -> None:
    """The folder with the script is removed when the task defers; the resumed task makes it again."""
    ti = TaskInstance()
    operator = operator_of(functions.echo.override(deferrable=True), 1)
    operator.render_template_fields(given(ti))
    with pytest.raises(TaskDeferred) as caught:
        operator.execute_after_quota_wait(given(ti), {}, quota=QuotaWait(60, True, None).to_kwargs())
    assert operator.execute_complete(given(ti), follow(caught.value), **(caught.value.kwargs or {})) == 1


def test_the_script_leaves_nothing_on_the_worker(conn_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_to_end(operator_of(functions.echo, 1)) == 1
    assert list(tmp_path.glob("airflow-wherobots-*")) == []


def test_the_overload_names_every_argument_of_the_run_operator() -> None:
    """What editors offer for ``wherobots_task``."""
    import ast
    import inspect

    from airflow_provider_wherobots.operators.run import WherobotsRunOperator

    tree = ast.parse(Path(wherobots.__file__).read_text())
    told = {
        argument.arg
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "wherobots_task"
        for argument in node.args.kwonlyargs
    }
    there = inspect.signature(inspect.unwrap(WherobotsRunOperator.__init__)).parameters
    assert told == {"dependencies", *there} - {"self", "kwargs", "run_python", "run_jar", "return_result"}
