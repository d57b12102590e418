"""The page "Test your DAGs": its files and its commands, as they stand there, in an Airflow of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.support.places import TREE
from wherobots_local import LocalServer

PAGE = (TREE / "docs" / "test-your-dags.md").read_text()
FILES = dict(re.findall(r"his is `([\w/]+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
# What the page says of a function and of a script beside the DAG file: neither needs a file in the server's root.
UPLOADED = {
    "dags/uploaded.py": """
from airflow import DAG
from airflow.decorators import task

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

with DAG("uploaded", schedule=None) as dag:

    @task.wherobots
    def double(number):
        return 2 * number

    double(21)
    WherobotsRunOperator(task_id="script", run_python={"uri": "scripts/beside.py"})
""",
    "dags/scripts/beside.py": "print('beside the DAG file')",
    "tests/test_uploaded.py": """
from uploaded import dag


def test_the_tasks_upload_what_they_run(fresh_wherobots_local, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", fresh_wherobots_local.airflow_connection)
    run = dag.test()
    assert run.state == "success"
    assert run.get_task_instance("double").xcom_pull("double") == 42
    assert [run["status"] for run in fresh_wherobots_local.control.runs()] == ["COMPLETED", "COMPLETED"]
""",
}
# The same fixture as the page's, with the advice of the page: the scripts are copied.
COPIED = {
    "jobs/hail.py": "print('a script of its own')",
    "tests/copied/conftest.py": "import shutil\n"
    + re.sub(
        r"(    .*\bjobs\b.*\n){3}",
        f"    {re.findall(r'`(shutil.copytree[^`]*)`', PAGE)[0]}\n",
        FILES["tests/conftest.py"],
    ),
    "tests/copied/test_copied.py": """
from hail import dag


def test_the_copied_script_runs(service):
    assert dag.test().state == "success"
    (log,) = service.root.glob(".wherobots-local/runs/*/.run/log.txt")
    assert log.read_text() == "a script of its own\\n"
""",
}
ALL = {**FILES, **UPLOADED, **COPIED}


def test_every_example_in_python_is_a_file() -> None:
    assert PAGE.count("```python") == len(FILES) == 6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, text in ALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    _, commands = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    number = sum(text.count("\ndef test_") for text in ALL.values())
    assert f"{number} passed" in done.stdout


def test_airflow_reads_the_connection(wherobots_local: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", wherobots_local.airflow_connection)
    assert WherobotsHook().test_connection() == (True, f"The Runs API accepts the API key ({wherobots_local.url})")
