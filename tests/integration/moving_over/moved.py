"""DAGs for the official provider, moved over and run by a real Airflow in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import airflow

from tests.support.places import TREE

HERE = Path(__file__).parent
BEFORE_AIRFLOW_3 = {
    "from airflow.sdk import Asset, dag, task": "from airflow.datasets import Dataset as Asset\n"
    "from airflow.decorators import dag, task",
    "from airflow.sdk import dag, task": "from airflow.decorators import dag, task",
    "dag_run.run_after": "dag_run.execution_date",
}
"""What the DAGs' authors would have written on 2.11, where Airflow's own names are others."""
AIRFLOW_SECONDS = 600
"""The first test of the DAGs waits for the one Airflow that runs them all, on a machine that is busy with more."""


def source_of(style: str) -> str:
    """A DAG file as it is for the official provider."""
    text = (HERE / f"{style}.py").read_text()
    for new, old in BEFORE_AIRFLOW_3.items() if airflow.__version__.startswith("2.") else ():
        text = text.replace(new, old)
    return text


def run_dags(home: Path, url: str, key: str, certfile: Path) -> tuple[dict[str, Any], str]:
    """Run the DAGs in ``home / "dags"``, with a triggerer's work done in the same process.

    Returns the report of ``run.py``, and everything Airflow wrote. The connection is the one that users have.
    """
    connection = {"conn_type": "generic", "host": url.removeprefix("https://"), "password": key}
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_WHEROBOTS_DEFAULT": json.dumps(connection),
        "REQUESTS_CA_BUNDLE": str(certfile),
        "PYTHONPATH": os.pathsep.join([str(TREE), *([] if find_spec("wherobots") else [_stand_in(home)])]),
    }
    # In a process of its own: the migration of 2.11 configures the logging of its process.
    for program in (["-m", "airflow", "db", "migrate"], [str(HERE / "run.py")]):
        done = subprocess.run(
            [sys.executable, *program], env=env, capture_output=True, text=True, timeout=AIRFLOW_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    # Airflow may write more when the process ends.
    told, _ = json.JSONDecoder().raw_decode(done.stdout.rpartition("TOLD")[2].lstrip())
    return told, done.stdout + done.stderr


def _stand_in(home: Path) -> str:
    """A ``wherobots.db`` with enums of the same shape."""
    package = home / "stand-in" / "wherobots" / "db"
    package.mkdir(parents=True)
    for module in ("__init__", "region", "runtime"):
        shutil.copy(HERE / "enums.py", package / f"{module}.py")
    return str(home / "stand-in")
