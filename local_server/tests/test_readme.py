"""The commands of the README as they stand there, with another port."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.places import TREE
from tests.support.waiting import wait_for

README = TREE / "local_server" / "README.md"


def blocks(kind: str) -> list[str]:
    """The blocks of the README."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_vendors_client_talks_to_the_server(tmp_path: Path) -> None:
    _, start, trust = blocks("bash")
    (program,) = blocks("python")
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    # Of this machine or of another test.
    kept.pop("WHEROBOTS_API_KEY", None)
    environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    *first, last = start.strip().splitlines()
    command = "\n".join([*first, f"exec {last} --port 0 --ready-file ready.json"])
    printed, ready = tmp_path / "output", tmp_path / "ready.json"
    with printed.open("w") as output:
        server = subprocess.Popen(
            ["bash", "-euc", command], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: ready.exists() or server.poll() is not None, what="the server to be ready")
        assert server.poll() is None, printed.read_text()
        port = str(json.loads(ready.read_text())["port"])
        (tmp_path / "query.py").write_text(program.replace("8765", port))
        done = subprocess.run(
            ["bash", "-euc", f"{trust}\npython -W ignore query.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout + printed.read_text()
        assert "POINT (8.55 47.37)" in done.stdout
    finally:
        server.terminate()
        server.wait()
