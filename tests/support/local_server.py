"""The local server as a process of a family."""

import json
import os
from pathlib import Path

from tests.support.places import CHECKOUT
from tests.support.processes import ProcessFamily
from tests.support.waiting import wait_for

PROGRAM = CHECKOUT / ".tox" / "wherobots-local" / "bin" / "wherobots-local"
"""The server in its own environment."""


class LocalServerProcess:
    """A running ``wherobots-local``, from its own environment, as a user has it next to Airflow.

    :param root: the folder of its ``s3://``: ``s3://bucket/key`` is ``root/bucket/key``.
    :param output: the file for the server's output; the ready file is in the same folder.
    """

    def __init__(self, family: ProcessFamily, root: Path, output: Path, *arguments: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        ready = output.with_suffix(".ready.json")
        ready.unlink(missing_ok=True)
        self.root = root
        if not PROGRAM.exists():
            raise RuntimeError(f"There is no {PROGRAM}: run 'tox run -e wherobots-local'")
        own = ["--host", "127.0.0.1", "--port", "0", "--root", str(root), "--ready-file", str(ready)]
        self.process = family.spawn([PROGRAM, *own, *arguments], env=os.environ, cwd=output.parent, output=output)

        def is_ready() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"The local server ended with {self.process.returncode}:\n{output.read_text()}")
            return ready.exists()

        wait_for(is_ready, interval=0.1, what="the local server to listen")
        content = json.loads(ready.read_text())
        self.url: str = content["url"]
        self.api_key: str = content["api_key"]
