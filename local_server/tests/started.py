"""The local server as a process of its own."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Self

from local_server.tests.support import KEY, Client
from tests.support.waiting import wait_for
from wherobots_local import ControlClient

MODULE = [sys.executable, "-m", "wherobots_local"]


class Started:
    """A server process and the content of its ready file. A second one in the same folder has the same root.

    :param folder: where the root and what it prints are.
    :param key: the API key. Default: one that the server makes.
    :param descriptors: the soft and the hard limit of file descriptors. Default: those of the tests.
    :param output: where it prints. Default: a file.
    :param errors: where it prints errors. Default: with its output.
    :param through: a command of a shell that starts it. Default: none.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        key: str | None = None,
        descriptors: tuple[int, int] | None = None,
        output: IO[bytes] | None = None,
        errors: IO[str] | None = None,
        through: str | None = None,
    ) -> None:
        self.root = folder / "root"
        self.ready_file = folder / "ready.json"
        self.ready_file.write_text("{}")
        environment = {name: value for name, value in os.environ.items() if name != "WHEROBOTS_API_KEY"}
        if key is not None:
            environment["WHEROBOTS_API_KEY"] = key
        options = ["--port", "0", "--root", str(self.root), "--ready-file", str(self.ready_file), *arguments]
        self.output = (folder / "output").open("w")

        def prepare() -> None:
            # Tests that were started by nohup ignore SIGHUP, and so would what they start.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)

        around = ["sh", "-c", through, "sh"] if through else []
        self.process = subprocess.Popen(
            [*around, *MODULE, *options],
            env=environment,
            stdout=output or self.output,
            stderr=errors or self.output,
            preexec_fn=prepare,
        )
        try:
            wait_for(
                lambda: self.process.poll() is not None or self.read_ready_file().get("pid") == self.process.pid,
                what="the server to be ready",
            )
        except BaseException:
            self.end()
            raise
        self.ready = self.read_ready_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def read_ready_file(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.ready_file.read_text())
        except FileNotFoundError:
            return {}
        return content

    def client(self) -> Client:
        return Client(self.ready["url"], self.root, self.ready.get("api_key", KEY))

    def control(self) -> ControlClient:
        return ControlClient(self.ready["url"], self.ready.get("api_key", KEY))

    def printed(self) -> str:
        # Opened anew: the process shares the position of the file that it writes to.
        return Path(self.output.name).read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.kill()
        self.output.close()
