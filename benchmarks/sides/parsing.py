"""Parses a DAG file with a hundred tasks, as Airflow's DAG processor does in one process for each file.

Prints the CPU time in milliseconds: to run the file, with its imports, and to serialize the DAG.
"""

import argparse
import gc
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.sides.importing import LOADED_ALREADY

TASKS = 100
OPERATORS = {
    "bare": "airflow.providers.standard.operators.empty.EmptyOperator",
    "plain": "benchmarks.sides.plain_operator.PlainOperator",
    "ours": "airflow_provider_wherobots.operators.run.WherobotsRunOperator",
    "official": "airflow_providers_wherobots.operators.run.WherobotsRunOperator",
}
ARGUMENTS = """
            name="hail_stats",
            run_python={"uri": "s3://bucket/script.py", "args": ["--date", "{{ ds }}"]},
            runtime="tiny",
            region="aws-us-west-2","""
DAG_FILE = """
from airflow.sdk import DAG
from %s import %s

with DAG("bench", schedule=None):
    for number in range(%d):
        %s(
            task_id=f"task_{number}",%s
        )
"""


def parse(side: str) -> dict[str, float]:
    """Parse the file."""
    for name in LOADED_ALREADY:
        importlib.import_module(name)
    # Airflow's own, and private: there is no other way to do what its DAG processor does.
    from airflow.dag_processing.processor import DagFileParseRequest, _parse_file
    from structlog import get_logger

    module, _, operator = OPERATORS[side].rpartition(".")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.py"
        file.write_text(DAG_FILE % (module, operator, TASKS, operator, "" if side == "bare" else ARGUMENTS))
        request = DagFileParseRequest(
            file=str(file), bundle_path=Path(folder), bundle_name="bench", callback_requests=[]
        )
        # As the DAG processor does before it forks.
        gc.freeze()
        begun = time.process_time()
        result = _parse_file(request, get_logger())
        milliseconds = (time.process_time() - begun) * 1e3
    if result is None or result.import_errors:
        raise RuntimeError(f"{side}: the file cannot be parsed: {result}")
    return {"milliseconds": milliseconds, "tasks": len(result.serialized_dags[0].data["dag"]["tasks"])}


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.parsing")
    parser.add_argument("side", choices=tuple(OPERATORS))
    given = parser.parse_args()
    json.dump(parse(given.side), sys.stdout)
    print()


if __name__ == "__main__":
    main()
