"""The import of an operator, in a process that has imported what a DAG processor imports.

Prints the CPU milliseconds, and how many modules were loaded.
"""

import argparse
import gc
import importlib
import json
import sys
import time

MODULES = {
    "ours": "airflow_provider_wherobots.operators.run",
    "official": "airflow_providers_wherobots.operators.run",
}
LOADED_ALREADY = (
    "airflow.dag_processing.processor",
    "airflow.models",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.bases.hook",
    "airflow.sdk.bases.operator",
    "airflow.sdk.definitions.dag",
    "airflow.triggers.base",
)


def import_operator(side: str) -> dict[str, float]:
    """Import the operator's module."""
    for name in LOADED_ALREADY:
        importlib.import_module(name)
    # As the DAG processor does before it forks.
    gc.freeze()
    before, begun = len(sys.modules), time.process_time()
    module = importlib.import_module(MODULES[side])
    milliseconds = (time.process_time() - begun) * 1e3
    return {
        "milliseconds": milliseconds,
        "modules": len(sys.modules) - before,
        "operators": hasattr(module, "WherobotsRunOperator"),
    }


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.importing")
    parser.add_argument("side", choices=tuple(MODULES))
    given = parser.parse_args()
    json.dump(import_operator(given.side), sys.stdout)
    print()


if __name__ == "__main__":
    main()
