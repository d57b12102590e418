"""The example DAGs import and serialise on the Airflow that runs these tests, and ask no network for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.processes import CHECKOUT

EXAMPLES = sorted((CHECKOUT / "example_dags").glob("example_*.py"))

LOAD = """
import json, socket, sys

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

bag = DagBag(sys.argv[1])
told = {
    "errors": bag.import_errors,
    "dags": {dag_id: serialization.to_dict(dag) for dag_id, dag in bag.dags.items()},
}
for dag in told["dags"].values():
    serialization.from_dict(dag)
print("TOLD" + json.dumps(told))
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_imports_and_serialises_without_network(path: Path, tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)],
        env={**env, **settings},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.rpartition("TOLD")[2])
    assert told["errors"] == {}
    assert list(told["dags"]) == [path.stem]


def test_there_is_an_example_for_each_kind_of_run() -> None:
    assert {path.stem for path in EXAMPLES} >= {
        "example_wherobots_demo",
        "example_wherobots_jar",
        "example_wherobots_mapped",
    }
