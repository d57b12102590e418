"""The official provider itself, unchanged, over https: it shows each line of a log once, page after page."""

from pathlib import Path

import pytest

from local_server.tests.support import KEY
from local_server.tests.vendor_clients.programs import official_provider
from wherobots_local import LocalServer

pytestmark = pytest.mark.slow

LINES = 120
SCRIPT = f"""
import time
for number in range({LINES}):
    print("line", number, flush=True)
    if number == {LINES // 2}:
        time.sleep(3)
"""


def test_a_log_of_120_lines_is_read_by_20(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    certfile, keyfile = certificate
    script = tmp_path / "root" / "jobs" / "talk.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    # The provider asks for 500 lines; the server gives 20.
    with LocalServer(
        tmp_path / "root", api_key=KEY, certfile=certfile, keyfile=keyfile, behaviour={"log_max_size": 20}
    ) as server:
        host = server.url.removeprefix("https://")
        shown = official_provider("official_provider_reads.py", host, tmp_path, certfile)
        assert shown == [f"line {number}" for number in range(LINES)]
        assert len(server.control.requests("getJobRunLogs")) > LINES / 20
