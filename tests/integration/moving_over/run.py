"""Runs all DAGs of the DAGs folder in the Airflow of this interpreter, and tells as JSON what became of them.

A program of its own, as Airflow keeps what it once read of its settings and its database.
"""

import json
import warnings
from importlib import import_module
from typing import Any

try:
    DagBag = import_module("airflow.dag_processing.dagbag").DagBag
    serialization = import_module("airflow.serialization.serialized_objects").DagSerialization
except (ImportError, AttributeError):  # before Airflow 3.2
    DagBag = import_module("airflow.models.dagbag").DagBag
    serialization = import_module("airflow.serialization.serialized_objects").SerializedDAG

TOLD = "TOLD"


def main() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bag = DagBag()
    told = {
        "errors": bag.import_errors,
        "warnings": [str(warning.message) for warning in caught if "moving_over" in warning.filename],
        "dags": {dag_id: test(dag) for dag_id, dag in sorted(bag.dags.items())},
    }
    print(TOLD + json.dumps(told))


def test(dag: Any) -> dict[str, Any]:
    """Serialise a DAG as the DAG processor does, and run it."""
    serialization.from_dict(json.loads(json.dumps(serialization.to_dict(dag))))
    dag_run = dag.test()
    return {
        "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "states": {ti.task_id: str(getattr(ti.state, "value", ti.state)) for ti in dag_run.get_task_instances()},
    }


if __name__ == "__main__":
    main()
