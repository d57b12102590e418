"""What Airflow spends on the operator's import, or on parsing a DAG file with a hundred tasks.

Prints CPU milliseconds beyond what is measured without the operator: the import beyond ``airflow.sdk``, or the file.
"""

import argparse
import json
import sys
import time

NAMES = {
    "ours": "airflow_provider_wherobots.operators.run",
    "official": "airflow_providers_wherobots.operators.run",
}
TASKS = 100


def import_operator(side: str) -> float:
    """Import the operator after Airflow.

    :returns: CPU seconds.
    """
    import airflow.sdk  # noqa: F401

    begun = time.process_time()
    __import__(NAMES[side])
    return time.process_time() - begun


def make_tasks(side: str) -> float:
    """Make a DAG of a hundred tasks, as a DAG file does.

    :returns: CPU seconds.
    """
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    def make(number: int) -> None:
        if side == "bare":
            EmptyOperator(task_id=f"task_{number}")
            return
        module = sys.modules[NAMES[side]]
        module.WherobotsRunOperator(
            task_id=f"task_{number}",
            name="hail_stats",
            run_python={"uri": "s3://bucket/script.py", "args": ["--date", "{{ ds }}"]},
            runtime="tiny",
            region="aws-us-west-2",
        )

    if side != "bare":
        __import__(NAMES[side])
    begun = time.process_time()
    with DAG("bench", schedule=None):
        for number in range(TASKS):
            make(number)
    return time.process_time() - begun


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.imports")
    parser.add_argument("side", choices=("bare", "ours", "official"))
    parser.add_argument("--tasks", action="store_true", help="make a hundred tasks instead")
    given = parser.parse_args()
    seconds = make_tasks(given.side) if given.tasks else import_operator(given.side)
    json.dump({"milliseconds": seconds * 1e3}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
