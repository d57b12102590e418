"""The official provider itself, unchanged, over https: it shows each line of a log once, page after page."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from dev.places import CHECKOUT, TREE
from local_server.tests.support import KEY
from wherobots_local import LocalServer

pytestmark = [pytest.mark.once, pytest.mark.slow]

PYTHON = CHECKOUT / ".venv-official" / "bin" / "python"
LINES = 120
SCRIPT = f"""
import time
for number in range({LINES}):
    print("line", number, flush=True)
    if number == {LINES // 2}:
        time.sleep(3)
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="make venv-official")
def test_a_log_of_120_lines_is_read_by_20(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    certfile, keyfile = certificate
    script = tmp_path / "root" / "jobs" / "talk.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    # The provider asks for 500 lines; the server gives 20.
    with LocalServer(
        tmp_path / "root", api_key=KEY, certfile=certfile, keyfile=keyfile, behaviour={"log_max_size": 20}
    ) as server:
        connection = {"conn_type": "generic", "host": server.url.removeprefix("https://"), "password": KEY}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": str(TREE),
            "REQUESTS_CA_BUNDLE": str(certfile),
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW_CONN_WHEROBOTS_DEFAULT": json.dumps(connection),
        }
        program = Path(__file__).with_name("official_provider_reads.py")
        result = subprocess.run(
            [PYTHON, "-W", "ignore", program], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stderr.splitlines()[-1]) == [f"line {number}" for number in range(LINES)]
        assert len(server.control.requests("getJobRunLogs")) > LINES / 20
