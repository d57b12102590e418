"""``make demo``: run a DAG on a real Airflow, and its job on the local server."""

import argparse
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.airflow_api import FINISHED
from tests.support.airflow_instance import AirflowInstance
from tests.support.local_server import LocalServerProcess
from tests.support.places import CHECKOUT, TREE
from tests.support.processes import ProcessFamily
from tests.support.waiting import WaitTimeout, wait_for

DAG_ID = "example_wherobots_demo"
TASKS = ("airport_neighbours", "busiest_airports")
BUCKET = "wherobots-demo"
DAG_FILE = TREE / "dev" / f"{DAG_ID}.py"
JOBS = TREE / "example_dags" / "jobs"
FOLDER = CHECKOUT / ".demo"


class TimedOutput:
    """Prints lines with the seconds that have passed."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, text: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._begun:5.1f} s] {text}", flush=True)


@contextmanager
def airflow_and_server(folder: Path, report: TimedOutput) -> Iterator[tuple[AirflowInstance, LocalServerProcess]]:
    """Run an Airflow and the local server, with a connection between them and their files in ``folder``."""
    dags = folder / "dags"
    shutil.rmtree(dags, ignore_errors=True)
    shutil.copytree(JOBS, dags / "jobs")
    shutil.copy(DAG_FILE, dags)
    airflow = AirflowInstance(folder / "airflow", dags_folder=dags, progress=report)
    family = ProcessFamily(f"demo:{folder}")
    with airflow:
        try:
            family.stop(grace=0)
            storage = folder / "storage"
            shutil.rmtree(storage, ignore_errors=True)
            server = LocalServerProcess(family, storage, folder / "server.log")
            report(f"The local server listens at {server.url}; its s3:// is the folder {storage}")
            airflow.api.set_connection("wherobots_default", "wherobots", host=server.url, password=server.api_key)
            yield airflow, server
        finally:
            report("Stopping Airflow and the local server")
            family.stop()


def run_example(airflow: AirflowInstance, report: TimedOutput) -> bool:
    """Run the DAG to its end and print the logs of its tasks; return whether it succeeded."""
    airflow.api.wait_for_dag(DAG_ID)
    run_id = airflow.api.trigger_dag(DAG_ID)
    report(f"Triggered {DAG_ID}; its run is {run_id}")
    seen: set[tuple[str, str]] = set()

    def poll() -> str | None:
        for instance in airflow.api.task_instances(DAG_ID, run_id):
            task_id, state = str(instance["task_id"]), str(instance["state"])
            if instance["state"] and (task_id, state) not in seen:
                seen.add((task_id, state))
                report(f"Task {task_id} is {state}")
        state = str(airflow.api.dag_run(DAG_ID, run_id)["state"])
        return state if state in FINISHED else None

    state = wait_for(poll, timeout=600, what=f"{DAG_ID} to end")
    for task_id in TASKS:
        if not seen.isdisjoint({(task_id, "success"), (task_id, "failed")}):
            print(f"\n--- Log of task {task_id}, as Airflow serves it ---")
            print(airflow.api.task_log(DAG_ID, run_id, task_id).text)
    return state == "success"


def show_result(server: LocalServerProcess) -> None:
    """Print the path and the content of the job's GeoJSON."""
    for path in sorted((server.root / BUCKET / "results").glob("*.geojson")):
        features = json.loads(path.read_text())["features"]
        print(f"\n--- Result: {len(features)} features in {path} ---")
        for feature in features:
            row = feature["properties"]
            lon, lat = feature["geometry"]["coordinates"]
            print(
                f"{row['iata']}  {lat:8.3f} {lon:9.3f}  {row['neighbours']:3d} neighbours, "
                f"nearest {row['nearest']} at {row['nearest_km']:5.1f} km  {row['name']}"
            )


def run_demo(folder: Path, *, keep: bool) -> int:
    """Run the demo and return its exit code.

    :param folder: the folder for all its files; those of an earlier demo are removed.
    """
    report = TimedOutput()
    with airflow_and_server(folder.resolve(), report) as (airflow, server):
        succeeded = run_example(airflow, report)
        if succeeded:
            show_result(server)
        if keep:
            login = airflow.credentials
            print(f"\nAirflow's UI: {airflow.url}  user {login.username}  password {login.password}")
            print("Press Ctrl-C to stop Airflow and the local server.", flush=True)
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
    print("\nThe run succeeded." if succeeded else "\nThe run failed.", flush=True)
    return 0 if succeeded else 1


def main() -> int:
    """Run the demo with the arguments of the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="dev.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where its files go (default: .demo)")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run_demo(wanted.folder, keep=wanted.keep)
    except KeyboardInterrupt:
        print("\nInterrupted.")
        return 130
    except (WaitTimeout, RuntimeError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
