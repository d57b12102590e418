"""Everything that runs in a test at size, started and stopped together."""

import contextlib
import json
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.support.airflow_api import AirflowApiError, Json
from tests.support.airflow_instance import AirflowInstance
from tests.support.airflow_settings import as_environment, celery, logs_in_s3, lost_tasks_noticed_soon
from tests.support.local_server import LocalServerProcess
from tests.support.processes import ProcessFamily
from tests.support.services import S3, Redis
from wherobots_local.control.client import ControlClient

HERE = Path(__file__).parent
CONN_ID = "wherobots_default"
LOGS_CONN_ID = "logs_in_s3"
BUCKET = "task-logs"
COUNTS = {"scheduler": 2, "triggerer": 2, "celery-worker": 2}
DAGS = ("once", "retried", "bare")
BLOCKED = "async thread was blocked"

T = TypeVar("T")
Report = Callable[[str], None]


@dataclass
class Stack:
    """A running Airflow on Celery, and the service."""

    folder: Path
    report: Report
    airflow: AirflowInstance
    server: LocalServerProcess
    control: ControlClient
    results: dict[str, Any] = field(default_factory=dict)
    _shown: tuple[str, float] = ("", 0.0)

    def show_progress(self, text: str) -> None:
        """Print the progress, unless the same text was printed less than half a minute ago."""
        if text != self._shown[0] or time.monotonic() - self._shown[1] > 30:
            self._shown = (text, time.monotonic())
            self.report(f"  {text}")

    def result(self, name: str, value: Any) -> None:
        """Keep a result for the summary, and print it."""
        self.results[name] = value
        self.report(f"{name}: {value}")

    def runs(self) -> list[Json]:
        """All runs of the service."""
        found: list[Json] = []
        params: dict[str, str] = {"size": "100"}
        while True:
            response = requests.get(
                f"{self.server.url}/runs", params=params, headers={"X-API-Key": self.server.api_key}, timeout=60
            )
            response.raise_for_status()
            page = response.json()
            found += page["items"]
            if page["next_page"] is None:
                return found
            params["cursor"] = page["next_page"]

    def creates(self) -> int:
        """How many runs were created."""
        return int(self.control.counts()["creates_effective"])

    def blocked_warnings(self) -> int:
        """How often the triggerers have logged that their event loop was blocked."""
        outputs = [self.airflow.output("triggerer", n) for n in range(1, COUNTS["triggerer"] + 1)]
        return sum(path.read_text(errors="replace").count(BLOCKED) for path in outputs if path.exists())

    def logs_of(self, name: str, n: int) -> Path:
        """The folder of a component's own logs, if each has one."""
        return self.folder / "disks" / f"{name}-{n}"


def patiently(call: Callable[[], T], *, seconds: float = 180.0) -> T:
    """Call until Airflow's API responds: it may have been killed and be starting again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (requests.RequestException, AirflowApiError) as error:
            known = not isinstance(error, AirflowApiError) or error.status >= 500
            if not known or time.monotonic() > deadline:
                raise
            time.sleep(2)


@contextlib.contextmanager
def running_stack(folder: Path, report: Report, *, concurrency: int, own_disks: bool = False) -> Iterator[Stack]:
    """Start everything, and stop it at the end of the block in any case.

    :param folder: the folder of all files. It is emptied first, and kept at the end.
    :param own_disks: whether each component has its own log folder, as on its own machine, and the logs go to S3.
        Default False: they share one folder.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _allow_many_files()
    output = folder / "services"
    family = ProcessFamily(f"at-size:{folder}")
    with contextlib.ExitStack() as ending:
        ending.callback(family.stop)
        report("Starting Redis and the local server")
        redis = Redis(family, output / "redis.log")
        storage = folder / "storage"
        shutil.copytree(HERE / "jobs", storage / "jobs")
        server = LocalServerProcess(family, storage, output / "server.log", "--max-parallel-runs", "10000")
        settings = [celery(redis.url, concurrency=concurrency), lost_tasks_noticed_soon()]
        more = {"PYTHONPATH": str(HERE / "modules")}
        disks = folder / "disks" if own_disks else None
        if disks is not None:
            s3 = S3(family, output / "s3.log", BUCKET)
            settings.append(logs_in_s3(f"s3://{BUCKET}/logs", LOGS_CONN_ID))
            more[f"AIRFLOW_CONN_{LOGS_CONN_ID.upper()}"] = _s3_connection(s3.url)

        def own_env(name: str, n: int) -> dict[str, str]:
            return {} if disks is None else {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(disks / f"{name}-{n}")}

        airflow = AirflowInstance(
            folder / "airflow",
            dags_folder=HERE / "dags",
            env={**as_environment(*settings), **more},
            counts=COUNTS,
            component_env=own_env,
            progress=report,
        )
        with airflow:
            airflow.api.set_connection(CONN_ID, "wherobots", host=server.url, password=server.api_key)
            for dag_id in DAGS:
                airflow.api.wait_for_dag(dag_id, timeout=180)
            yield Stack(folder, report, airflow, server, ControlClient(server.url, server.api_key))
            report("Stopping everything")


def _s3_connection(endpoint: str) -> str:
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    return json.dumps({"conn_type": "aws", "login": "any", "password": "any", "extra": extra})


def _allow_many_files() -> None:
    """The local server has four open files for each run."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(16_384, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
