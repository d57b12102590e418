"""Which DAG runs a forgetful Airflow forgets, and where the modules are that make its API server forget."""

from pathlib import Path

FORGOTTEN = "forgotten-"
"""What the ids of these DAG runs begin with. So one Airflow serves both kinds of tests."""

FOLDER = Path(__file__).parent / "forgetful_airflow"
"""To be on the path of the API server, and of nothing else."""
