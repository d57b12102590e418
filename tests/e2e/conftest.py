"""One real Airflow for all tests and all workers of pytest-xdist; each worker has a local server and a connection.

The process that begins the session starts Airflow and tells the workers where it is. Tests run side by side, each with
its own DAG runs. Those with the mark ``alone`` come last, and each waits until no other test runs.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.e2e.world import KEY_STEM, World
from tests.support.airflow_instance import AirflowInstance
from tests.support.sql_control import SqlControl, reachable_sql
from tests.support.statsd_server import StatsdServer
from wherobots_local import LocalServer

HERE = Path(__file__).parent
MODULES = HERE / "modules"
GRACE_SECONDS = 600
"""Longer than the service's two minutes, in which a triggerer may not be back on a busy machine."""
TEST_SECONDS = 1_800
"""How long a test may take: it waits for many things, and on a busy machine each may take minutes."""
TELLING = ("scheduler", "triggerer")
"""The components that tell OpenLineage of runs."""
SHARED = pytest.StashKey[dict[str, Any]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=is_alone)
    for item in items:
        item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let a test run alone that has to. Waiting for that does not count for its timeout."""
    with (shared(item.config)["folder"] / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH)
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called by pytest-xdist for each worker, before it starts."""
    node.workerinput["shared"] = {**shared(node.config), "folder": str(shared(node.config)["folder"])}


def shared(config: pytest.Config) -> dict[str, Any]:
    """The Airflow of the session, and the folder of what it writes; starts it in the process that asks first."""
    if SHARED not in config.stash:
        workerinput = getattr(config, "workerinput", None)
        if workerinput is None:
            config.stash[SHARED] = start(config)
        elif "shared" in workerinput:
            config.stash[SHARED] = {**workerinput["shared"], "folder": Path(workerinput["shared"]["folder"])}
        else:
            raise pytest.UsageError("With pytest-xdist, name the folder: pytest tests/e2e")
    return config.stash[SHARED]


def start(config: pytest.Config) -> dict[str, Any]:
    """Start Airflow, and a StatsD server that writes the provider's metrics to a file, until the session ends."""
    folder: Path = config._tmp_path_factory.mktemp("e2e")  # type: ignore[attr-defined]
    statsd = StatsdServer()
    lineage = {"type": "file", "log_file_path": str(folder / "lineage"), "append": True}
    (folder / "lineage").touch()
    Thread(target=statsd.write_to, args=(folder / "metrics",), daemon=True).start()
    airflow = AirflowInstance(
        folder / "airflow",
        dags_folder=HERE / "dags",
        env={
            "PYTHONPATH": str(MODULES),
            "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "dropping_log.LOGGING_CONFIG",
            **{
                # No DAG file changes, and each look at one takes seconds. The section's name depends on the version.
                f"AIRFLOW__{section}__{option}": "3600"
                for section in ("DAG_PROCESSOR", "SCHEDULER")
                for option in ("MIN_FILE_PROCESS_INTERVAL", "STALE_DAG_THRESHOLD")
            },
            "AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY": "10",
            **statsd.settings,
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "wherobots",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
            "AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE": "True",
            "AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO": "True",
        },
        component_env=environment_of,
        progress=print,
    )
    config.add_cleanup(airflow.stop)
    airflow.start()
    return {"airflow": airflow.shared(), "folder": folder}


def environment_of(component: str, n: int) -> dict[str, str]:
    """The environment variables that only one component has."""
    # Airflow's server would fork for OpenLineage, and its child would hold the connections of the server's clients.
    return {} if component in TELLING else {"AIRFLOW__OPENLINEAGE__DISABLED": "True"}


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The session's Airflow with this worker's connection to this worker's local server."""
    found = shared(request.config)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "only")
    root = tmp_path_factory.mktemp("storage")
    shutil.copytree(HERE / "jobs", root / "jobs")
    airflow = AirflowInstance.join(found["airflow"])
    with reachable_sql(), LocalServer(root, api_key=f"{KEY_STEM}{worker}-1") as server:
        world = World(airflow, server, SqlControl(server), server.api_key, found["folder"], worker, root)
        world.control.behaviour(sql_synthetic=True, sql_orphan_grace_seconds=GRACE_SECONDS, sql_clean_close="cancels")
        world.connect()
        for dag_id in ("deferred", "sql_deferred", "sensors"):
            airflow.api.wait_for_dag(dag_id)
        yield world
        world.control.release_sql()
