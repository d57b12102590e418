"""Local files as jobs and dependencies, against the local server: which calls there are, and what is stored."""

import io
import json
import os
import re
import runpy
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots import files as archive
from airflow_provider_wherobots.exceptions import WherobotsArgumentException, WherobotsTaskKilledException
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io import worker
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.conftest import API_KEY, set_connection
from tests.integration.signals import signal_when
from tests.integration.support import Operator, Said, TaskInstance, context, follow
from tests.support.places import TREE
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

SCRIPT = "import time, sys\nprint('of the DAG repository', flush=True)\n"
MANAGED = "local0org00000"


@pytest.fixture
def dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGs folder with a DAG file in ``team/``, and its script beside it."""
    folder = tmp_path / "dags"
    (folder / "team" / "jobs").mkdir(parents=True)
    (folder / "team" / "dag.py").touch()
    (folder / "team" / "jobs" / "stats.py").write_text(SCRIPT)
    monkeypatch.setattr("airflow_provider_wherobots.tasks.run_attempt.dags_folder", lambda: str(folder))
    return folder


def in_dag(dags: Path, ti: TaskInstance) -> Any:
    given = context(ti)
    given["dag"].fileloc = str(dags / "team" / "dag.py")
    return given


def operations(control: ControlClient) -> list[str]:
    """What was requested, but for the look for a run that the task has already."""
    return [entry["operation"] for entry in control.requests() if entry["operation"] != "listJobRuns"]


def stored(server: LocalServer, address: str) -> Path:
    return Path(server.root) / address.removeprefix("s3://")


@pytest.fixture
def task(dags: Path, operator: Operator) -> WherobotsRunOperator:
    return operator(run_python={"uri": "jobs/stats.py"}, deferrable=False)


def run(task: WherobotsRunOperator, dags: Path, ti: TaskInstance | None = None) -> dict[str, Any]:
    """Run the task to its end, and return the run as the API shows it."""
    run_id = task.execute(in_dag(dags, ti or TaskInstance()))
    return {"id": run_id, **task.hook.get_run(run_id).payload}


def test_a_script_beside_the_dag_is_uploaded_and_runs(
    task: WherobotsRunOperator, dags: Path, server: LocalServer, control: ControlClient, said: Said
) -> None:
    (dags / "team" / "jobs" / "stats.py").write_text(f"{SCRIPT}# {dags}\n")
    uri = run(task, dags)["runPython"]["uri"]
    assert operations(control)[:4] == ["getMyOrganization", "createUploadUrl", "putObject", "createJobRun"]
    assert uri.startswith(f"s3://managed-storage/{MANAGED}/data/shared/airflow-uploads/")
    assert uri.endswith("/stats.py")
    assert stored(server, uri).read_text() == f"{SCRIPT}# {dags}\n"
    log = said()
    assert "of the DAG repository" in log
    assert f"Uploaded jobs/stats.py to {uri} ({stored(server, uri).stat().st_size} bytes)" in log
    # What the task was given stays: Airflow shows it beside the address.
    assert task.run_python == {"uri": "jobs/stats.py"}


@pytest.mark.parametrize("change", ["none", "script", "removed"])
def test_a_retry_re_attaches_without_storage(
    change: str, dags: Path, operator: Operator, control: ControlClient, said: Said
) -> None:
    script = dags / "team" / "jobs" / "stats.py"
    script.write_text("import time\ntime.sleep(600)\n")
    task = operator(run_python={"uri": "jobs/stats.py"}, deferrable=False, wait_for_completion=False, retries=1)
    run_id = task.execute(in_dag(dags, TaskInstance(store=None)))
    control.clear_requests()
    for operation in ("getMyOrganization", "createUploadUrl", "putObject"):
        control.add_fault(operation, {"type": "status", "status": 503})
    if change == "script":
        script.write_text("print('changed')\n")
    elif change == "removed":
        script.unlink()
    assert task.execute(in_dag(dags, TaskInstance(try_number=2, store=None))) == run_id
    assert operations(control) == []
    differs = f"Run {run_id} was created with other values for runPython.uri"
    log = said()
    assert (differs in log) == (change != "none")
    assert ("there is no file" in log) == (change == "removed")


def test_jars_are_uploaded_too(dags: Path, operator: Operator, server: LocalServer, control: ControlClient) -> None:
    package = dags / "team" / "geo"
    (package / "sub" / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("NAME = 'geo'\n")
    (package / "sub" / "a.py").write_text("A = 1\n")
    (package / "sub" / "__pycache__" / "a.pyc").write_bytes(b"no")
    table = dags / "table.json"
    table.write_text("{}")
    dependencies = [
        {"sourceType": "FILE", "filePath": "geo"},
        {"sourceType": "PYPI", "libraryName": "pandas"},
        {"sourceType": "FILE", "filePath": table.as_uri()},
        {"sourceType": "FILE", "filePath": "s3://jobs/lib.zip"},
    ]
    (dags / "team" / "app.jar").write_bytes(b"PK")
    task = operator(
        run_python=None,
        run_jar={"uri": str(dags / "team" / "app.jar"), "mainClass": "Main"},
        environment={"dependencies": dependencies},
        wait_for_completion=False,
        deferrable=False,
    )
    created = run(task, dags)
    assert stored(server, created["runJar"]["uri"]).read_bytes() == b"PK"
    folder, library, file, remote = created["environment"]["dependencies"]
    with zipfile.ZipFile(io.BytesIO(stored(server, folder["filePath"]).read_bytes())) as archive:
        assert archive.namelist() == ["geo/__init__.py", "geo/sub/a.py"]
    assert folder["filePath"].endswith("/geo.zip")
    assert library["libraryName"] == "pandas"
    assert stored(server, file["filePath"]).read_text() == "{}"
    assert remote["filePath"] == "s3://jobs/lib.zip"


def test_a_wrong_file_sends_nothing(dags: Path, operator: Operator, control: ControlClient) -> None:
    os.mkfifo(dags / "team" / "pipe.py")
    with (dags / "team" / "large.py").open("wb") as large:
        large.truncate(500 * 1024 * 1024 + 1)
    for uri, words in {
        "jobs/none.py": "there is no file",
        "jobs": "is a folder, but one file is run",
        "pipe.py": "is neither a file nor a folder",
        "large.py": "has 524,288,001 bytes, but one upload takes at most 524,288,000 (500 MiB)",
    }.items():
        with pytest.raises(WherobotsArgumentException) as caught:
            run(operator(run_python={"uri": uri}), dags)
        assert str(caught.value).startswith(f"task: run_python['uri']={uri!r}: {words}")
    assert operations(control) == []


def test_the_connection_names_the_folder(
    dags: Path, operator: Operator, server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = json.dumps({"upload_to": "s3://jobs/of-connection"})
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY, extra=extra)
    task = operator(run_python={"uri": "jobs/stats.py"}, wait_for_completion=False)
    assert run(task, dags)["runPython"]["uri"].startswith("s3://jobs/of-connection/")
    assert "getMyOrganization" not in operations(control)
    address = WherobotsHook().upload_file(dags / "team" / "jobs" / "stats.py")
    assert address == WherobotsHook().upload_file(str(dags / "team" / "jobs" / "stats.py"))
    assert stored(server, address).read_text() == SCRIPT


def test_a_kill_during_the_upload_ends_with_that_request_and_creates_nothing(
    dags: Path, operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Airflow 3: ``on_kill`` runs in a signal handler, and then the interrupted code goes on."""
    monkeypatch.setattr(worker, "READ_TIMEOUT_SECONDS", 1.0)
    # Longer than a test may take.
    control.add_fault("putObject", {"type": "hang", "seconds": 3_000})
    task = operator(run_python={"uri": "jobs/stats.py"}, deferrable=False, upload_to="s3://jobs/killed")

    kill = signal_when(lambda: "putObject" in operations(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(in_dag(dags, TaskInstance()))
    assert operations(control) == ["createUploadUrl", "putObject"]


def test_the_recipe_with_a_helper_module(dags: Path, conn_id: str, said: Said) -> None:
    recipe = (TREE / "docs" / "examples.md").read_text().partition("## A script with a helper module\n")[2]
    files, dag_file = re.findall(r"^```\w+\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL)[:2]
    subprocess.run(["bash", "-euc", files], cwd=dags.parent, check=True)
    (dags / "rain.py").write_text(dag_file.replace("schedule=None)", "schedule=None) as dag"))
    task = runpy.run_path(str(dags / "rain.py"))["dag"].get_task("rain")
    given = context(ti := TaskInstance())
    given["dag"].fileloc = str(dags / "rain.py")
    with pytest.raises(TaskDeferred) as raised:
        task.execute(given)
    task.execute_complete(given, follow(raised.value), **(raised.value.kwargs or {}))
    assert ti.xcoms["run_summary"]["status"] == "COMPLETED"
    (shown,) = re.findall("The task log shows `(.*?)`", recipe)
    assert shown in said()


def test_a_folder_is_zipped_once_for_a_task(
    dags: Path, operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dags / "team" / "geo").mkdir()
    (dags / "team" / "geo" / "area.py").touch()
    zipped, real = [], archive.write_archive

    def write_archive(folder: Path, *others: Any) -> Any:
        zipped.append(folder)
        return real(folder, *others)

    monkeypatch.setattr("airflow_provider_wherobots.files.write_archive", write_archive)
    control.add_fault("putObject", "reset", times=1)
    task = operator(
        environment={"dependencies": [{"filePath": "geo"}]}, wait_for_completion=False, upload_to="s3://jobs/geo"
    )
    run(task, dags)
    assert zipped == [dags / "team" / "geo"]


@pytest.mark.parametrize("path", ["", None, b"stats.py"])
def test_the_hook_uploads_no_file_without_a_path(path: Any, conn_id: str, control: ControlClient) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"^path=.*: must be the path of a file or a folder"):
        WherobotsHook(conn_id).upload_file(path)
    assert control.requests() == []


@pytest.mark.parametrize(
    "value", ["jobs", "s3://", "s3://B", "s3://bucket//x", "s3://bucket/../x", "s3://b u/x", 5, ""]
)
def test_a_wrong_folder_is_an_error_at_parse(value: Any) -> None:
    with pytest.raises(
        WherobotsArgumentException,
        match=r"^task: upload_to=.*: must (start with s3://bucket/|be like s3://bucket/folder)",
    ):
        WherobotsRunOperator(task_id="task", run_python={"uri": "a.py"}, upload_to=value)
