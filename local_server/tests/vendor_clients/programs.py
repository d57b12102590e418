"""Programs that use the packages of the vendor and of the official provider, unchanged."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from local_server.tests.support import KEY, require
from tests.support.places import CHECKOUT, TREE

_OFFICIAL = CHECKOUT / ".tox" / "official-airflow3.3" / "bin" / "python"


def official_provider(program: str, host: str, folder: Path, certificate: Path) -> Any:
    """Run a program where the official provider is installed, and return what it prints."""
    require(_OFFICIAL.exists(), f"no official provider at {_OFFICIAL}: run 'tox run -e official-airflow3.3'")
    connection = {"conn_type": "generic", "host": host, "password": KEY}
    return _printed(
        [_OFFICIAL, "-W", "ignore", Path(__file__).with_name(program)],
        certificate,
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW_CONN_WHEROBOTS_DEFAULT=json.dumps(connection),
    )


def vendor_client(program: str, host: str, certificate: Path) -> Any:
    """Run a program with the vendor's client, and return what it prints."""
    require(find_spec("wherobots"), "no wherobots-python-dbapi in this environment")
    return _printed([sys.executable, "-W", "ignore", Path(__file__).with_name(program), host, KEY], certificate)


def _printed(command: list[str | Path], certificate: Path, **more: str) -> Any:
    """What a program prints as JSON, at last. Of the variables for a certificate, each is for one protocol."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    trusted = {"REQUESTS_CA_BUNDLE": str(certificate), "SSL_CERT_FILE": str(certificate)}
    environment = {**kept, **trusted, "PYTHONPATH": str(TREE), **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    return json.loads(next(line for line in reversed(lines) if line.startswith(("{", "["))))
