"""The commands of the README as they stand there, with another port: a job with curl, SQL with the vendor's client."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_server.tests.support import require
from tests.support.places import TREE
from tests.support.waiting import wait_for

README = TREE / "local_server" / "README.md"


def blocks(heading: str, kind: str = "bash") -> list[str]:
    """The blocks below a heading, up to the next one."""
    section = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{kind}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


class Shells:
    """The two terminals of the README, in one folder.

    :param folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        # Of this machine or of another test.
        kept.pop("WHEROBOTS_API_KEY", None)
        self._environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        *first, last = blocks("Start")[0].strip().splitlines()
        command = "\n".join([*first, f"exec {last} --port 0 --ready-file ready.json"])
        with (folder / "output").open("w") as output:
            self.server = subprocess.Popen(
                ["bash", "-euc", command], cwd=folder, env=self._environment, stdout=output, stderr=output
            )
        wait_for(
            lambda: (folder / "ready.json").exists() or self.server.poll() is not None, what="the server to be ready"
        )
        assert self.server.poll() is None, self.printed()
        self.port = str(json.loads((folder / "ready.json").read_text())["port"])

    def run(self, commands: str) -> str:
        """Run commands in the second terminal, and return what they print."""
        script = self._here("\n".join([blocks("Start")[1], commands]))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout + self.printed()
        return done.stdout

    def printed(self) -> str:
        return (self.folder / "output").read_text()

    def _here(self, commands: str) -> str:
        return commands.replace("8765", self.port)


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    require(shutil.which("curl"), "no curl")
    opened = Shells(tmp_path_factory.mktemp("readme"))
    yield opened
    opened.server.terminate()
    opened.server.wait()


def test_a_job_with_curl(shells: Shells) -> None:
    (job,) = blocks("A job, with curl")
    assert '"raw":"hello world"' in shells.run(job)
    wait_for(lambda: "COMPLETED" in shells.printed(), what="the run to end", detail=shells.printed)
    (log,) = re.findall(r"log: (.+)$", shells.printed(), re.MULTILINE)
    assert Path(log).read_text() == "hello world\n"


def test_sql_with_the_vendors_client(shells: Shells) -> None:
    (program,) = blocks("SQL", "python")
    (shells.folder / "query.py").write_text(program.replace("8765", shells.port))
    assert "POINT (8.55 47.37)" in shells.run("python -W ignore query.py")
