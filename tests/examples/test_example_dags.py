"""The example DAGs import and serialise on the Airflow that runs these tests, and ask no network for it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.places import TREE

FOLDER = TREE / "example_dags"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("example_*.py"))

LOAD = """
import json, socket, sys, warnings

def refuse(*arguments):
    raise OSError("a DAG file asked for the network")

for name in ("connect", "connect_ex"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse

try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization as serialization
except ImportError:
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as serialization

# DagBag's names for DAG files begin like this.
warnings.filterwarnings("error", module="unusual_prefix_|airflow_provider_wherobots")
bag = DagBag(sys.argv[1])
read_again = [serialization.from_dict(serialization.to_dict(dag)) for dag in bag.dags.values()]
told = {
    "errors": bag.import_errors,
    "dags": {dag.dag_id: [task.task_type for task in dag.tasks] for dag in read_again},
}
print("TOLD" + json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow makes of the folder: import errors, and the kinds of task in each DAG after a round of storing."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    settings = {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(FOLDER)],
        env={**env, **settings},
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.rpartition("TOLD")[2])
    return result


def test_the_examples_import_without_errors(told: dict[str, Any]) -> None:
    assert told["errors"] == {}


def test_each_file_holds_the_dag_it_is_named_after(told: dict[str, Any]) -> None:
    others = ("asset_report", "canary", "partitions_tile")
    assert sorted(told["dags"]) == sorted([*EXAMPLES, *(f"example_wherobots_{name}" for name in others)])


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_an_example_works_on_wherobots(told: dict[str, Any], dag_id: str) -> None:
    kinds = {"WherobotsRunOperator", "WherobotsDecoratedOperator", "WherobotsSqlOperator"}
    assert kinds & set(told["dags"][dag_id])
