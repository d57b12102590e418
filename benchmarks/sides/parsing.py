"""The tasks of a DAG file made: a hundred of the operator, or a hundred ``EmptyOperator``s.

Prints the CPU milliseconds that making them takes; imports are not counted.
"""

import argparse
import json
import sys
import time

TASKS = 100


def make_tasks(side: str) -> float:
    """Make a DAG of a hundred tasks, as a DAG file does.

    :param side: ``bare`` or ``ours``.
    :returns: CPU seconds.
    """
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    from airflow_provider_wherobots.operators.run import WherobotsRunOperator

    begun = time.process_time()
    with DAG("bench", schedule=None):
        for number in range(TASKS):
            if side == "bare":
                EmptyOperator(task_id=f"task_{number}")
            else:
                WherobotsRunOperator(
                    task_id=f"task_{number}",
                    name="hail_stats",
                    run_python={"uri": "s3://bucket/script.py", "args": ["--date", "{{ ds }}"]},
                    runtime="tiny",
                    region="aws-us-west-2",
                )
    return time.process_time() - begun


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.parsing")
    parser.add_argument("side", choices=("bare", "ours"))
    given = parser.parse_args()
    json.dump({"milliseconds": make_tasks(given.side) * 1e3}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
