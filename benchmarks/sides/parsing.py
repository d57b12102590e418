"""Makes the tasks of a DAG file: a hundred of an operator, or a hundred ``EmptyOperator``s.

Prints the CPU time in milliseconds. Imports do not count.
"""

import argparse
import importlib
import json
import sys
import time
from typing import Any

TASKS = 100
OPERATORS = {
    "bare": ("airflow.providers.standard.operators.empty", "EmptyOperator"),
    "ours": ("airflow_provider_wherobots.operators.run", "WherobotsRunOperator"),
    "official": ("airflow_providers_wherobots.operators.run", "WherobotsRunOperator"),
}


def make_tasks(side: str) -> dict[str, float]:
    """Make a DAG of a hundred tasks, as a DAG file does.

    :param side: ``bare``, ``ours`` or ``official``.
    """
    from airflow.sdk import DAG

    module, name = OPERATORS[side]
    operator = getattr(importlib.import_module(module), name)

    def arguments() -> dict[str, Any]:
        if side == "bare":
            return {}
        return {
            "name": "hail_stats",
            "run_python": {"uri": "s3://bucket/script.py", "args": ["--date", "{{ ds }}"]},
            "runtime": "tiny",
            "region": "aws-us-west-2",
        }

    begun = time.process_time()
    with DAG("bench", schedule=None) as dag:
        for number in range(TASKS):
            operator(task_id=f"task_{number}", **arguments())
    return {"milliseconds": (time.process_time() - begun) * 1e3, "tasks": len(dag.tasks)}


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.parsing")
    parser.add_argument("side", choices=tuple(OPERATORS))
    given = parser.parse_args()
    json.dump(make_tasks(given.side), sys.stdout)
    print()


if __name__ == "__main__":
    main()
