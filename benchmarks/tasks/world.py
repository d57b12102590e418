"""One Airflow and one local server for all sides, over https, because the official provider supports nothing else."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from cryptography import x509

from benchmarks.measuring import official_python
from tests.support.airflow_api import Json
from tests.support.airflow_instance import AirflowInstance
from tests.support.certificates import make_certificate
from tests.support.local_server import LocalServerProcess
from tests.support.places import TREE
from tests.support.processes import ProcessFamily
from wherobots_local.control.client import ControlClient

HERE = Path(__file__).parent
PARALLEL = 48
"""Tasks that may run at the same time. A task of the official provider holds its worker slot all the time."""


@dataclass(frozen=True)
class World:
    """A running Airflow with all sides' DAGs, and the service."""

    airflow: AirflowInstance
    server: LocalServerProcess
    control: ControlClient
    certificate: Path

    def run(self, run_id: str) -> Json:
        """A run as the service shows it."""
        headers = {"X-API-Key": self.server.api_key}
        response = requests.get(
            f"{self.server.url}/runs/{run_id}", headers=headers, verify=str(self.certificate), timeout=30
        )
        response.raise_for_status()
        run: Json = response.json()
        return run


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Start both, and end both."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        certificate, key = make_certificate(folder, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        family = ProcessFamily(f"benchmark:{folder}")
        ends.callback(family.stop)
        shutil.copytree(HERE / "jobs", folder / "s3" / "bench")
        tls = ("--certfile", str(certificate), "--keyfile", str(key))
        more = ("--max-parallel-runs", str(2 * PARALLEL))
        server = LocalServerProcess(family, folder / "s3", folder / "server.log", *tls, *more)
        connection = {"conn_type": "generic", "host": urlsplit(server.url).netloc, "password": server.api_key}
        airflow = ends.enter_context(
            AirflowInstance(
                folder / "airflow",
                python=official_python(),
                dags_folder=HERE / "dags",
                env={
                    "PYTHONPATH": str(TREE),
                    "REQUESTS_CA_BUNDLE": str(certificate),
                    "AIRFLOW_CONN_WHEROBOTS_DEFAULT": json.dumps(connection),
                    "AIRFLOW__CORE__PARALLELISM": str(PARALLEL),
                    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(PARALLEL),
                    # Airflow's defaults, so that many running tasks cause no extra load and do not count as dead.
                    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
                    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
                },
            )
        )
        yield World(airflow, server, ControlClient(server.url, server.api_key, certificate=certificate), certificate)
