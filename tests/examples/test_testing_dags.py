"""The page "Test your DAGs": its files and its commands, as they stand there, in an Airflow of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from dev.places import TREE
from wherobots_local.testing import WherobotsLocal

PAGE = (TREE / "docs" / "test-your-dags.md").read_text()
FILES = dict(re.findall(r"his is `([\w/]+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_every_example_in_python_is_a_file() -> None:
    assert PAGE.count("```python") == len(FILES) == 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    _, commands = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    number = sum(text.count("\ndef test_") for text in FILES.values())
    assert f"{number} passed" in done.stdout


@pytest.mark.parametrize("form", ["airflow_connection", "connection_uri"])
def test_airflow_reads_the_connection(
    form: str, wherobots_local: WherobotsLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", getattr(wherobots_local, form))
    assert WherobotsHook().test_connection() == (True, f"The Runs API accepts the API key ({wherobots_local.url})")
