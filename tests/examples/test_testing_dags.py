"""The page "Test your DAGs": its files and its commands, as they stand there, in an Airflow of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.support.places import TREE
from wherobots_local import LocalServer

PAGE = (TREE / "docs" / "test-your-dags.md").read_text()
FILES = dict(re.findall(r"his is `([\w/]+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
# What the page of functions says: they need no file either.
FUNCTION = {
    "dags/uploaded.py": """
from airflow import DAG
from airflow.decorators import task

with DAG("uploaded", schedule=None) as dag:

    @task.wherobots
    def double(number):
        return 2 * number

    double(21)
""",
    "tests/test_uploaded.py": """
from uploaded import dag


def test_the_function_returns_its_value(service):
    run = dag.test()
    assert run.state == "success"
    assert run.get_task_instance("double").xcom_pull("double") == 42
    assert [run["status"] for run in service.control.runs()] == ["COMPLETED"]
""",
}
ALL = {**FILES, **FUNCTION}


def test_every_example_in_python_is_a_file() -> None:
    assert PAGE.count("```python") == len(FILES) == 6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, text in ALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (workflow,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    job = yaml.safe_load(workflow.replace("${{ github.workspace }}", str(tmp_path)))["jobs"]["test"]
    install, *commands = (step["run"] for step in job["steps"] if "run" in step)
    assert install.startswith("pip install ")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    environment |= job["env"]
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    number = sum(text.count("\ndef test_") for text in ALL.values())
    assert f"{number} passed" in done.stdout


def test_airflow_reads_the_connection(wherobots_local: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", wherobots_local.airflow_connection)
    assert WherobotsHook().test_connection() == (True, f"The Runs API accepts the API key ({wherobots_local.url})")
