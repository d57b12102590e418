"""PostgreSQL, Redis and an S3 server for one test: processes of a family, on free ports of the loopback interface."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from dev.places import TREE
from dev.ports import free_ports
from dev.processes import ProcessFamily
from dev.waiting import wait_for

DATABASE_USER = "postgres"
"""PostgreSQL does not start as root. If this process runs as root, PostgreSQL runs as this user of Debian's package."""


class ServiceError(RuntimeError):
    """A service is not installed, or did not start."""


class PostgreSQL:
    """A new PostgreSQL server, in a temporary folder that :meth:`stop` removes.

    :param family: the process family that it belongs to.
    :param output: the file for its output.
    :raises ServiceError: it is not installed, or did not start.
    """

    def __init__(self, family: ProcessFamily, output: Path) -> None:
        programs = _postgres_programs()
        self._user = DATABASE_USER if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="at-size-postgres-"))
        self._output = output
        password = secrets.token_hex(16)
        (port,) = free_ports(1)
        password_file = self._folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        data = self._folder / "data"
        secret = ["--username=airflow", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        self._run_to_end(family, [programs / "initdb", f"--pgdata={data}", "--no-sync", *secret])
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "400",
            "shared_buffers": "256MB",
            # Nobody needs the data after the test.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [programs / "postgres", "-D", data, *settings]
        self._process = family.spawn(command, env=_clean(), cwd=self._folder, output=output, user=self._user)
        ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]

        def look() -> bool:
            _check(self._process, output)
            return subprocess.run(ready, env=_clean(), check=False).returncode == 0

        wait_for(look, timeout=60, what="PostgreSQL to listen")
        self.url = f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{port}/postgres"

    def stop(self) -> None:
        """End it without waiting for its clients, and remove its data."""
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run_to_end(self, family: ProcessFamily, command: list[str | Path]) -> None:
        process = family.spawn(command, env=_clean(), cwd=self._folder, output=self._output, user=self._user)
        if process.wait(timeout=120) != 0:
            raise ServiceError(f"{command[0]} failed:\n{self._output.read_text()}")


class Redis:
    """A new Redis server, which stores nothing on disk.

    :param family: the process family that it belongs to.
    :param output: the file for its output; its configuration is in the same folder.
    :raises ServiceError: it is not installed, or did not start.
    """

    def __init__(self, family: ProcessFamily, output: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceError("There is no redis-server: install Debian's package redis-server.")
        password = secrets.token_hex(16)
        (port,) = free_ports(1)
        output.parent.mkdir(parents=True, exist_ok=True)
        configuration = output.with_suffix(".conf")
        configuration.touch(mode=0o600)
        lines = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no"]
        configuration.write_text("\n".join(lines) + "\n")
        process = family.spawn([program, configuration], env=_clean(), cwd=output.parent, output=output)

        def look() -> bool:
            _check(process, output)
            return "Ready to accept connections" in output.read_text()

        wait_for(look, timeout=60, what="Redis to listen")
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"


class S3:
    """moto's S3 server, with one bucket. It keeps everything in memory, and takes any key.

    :param family: the process family that it belongs to.
    :param output: the file for its output.
    :param bucket: the bucket's name.
    :raises ServiceError: it did not start.
    """

    def __init__(self, family: ProcessFamily, output: Path, bucket: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = family.spawn(command, env=os.environ, cwd=TREE, output=output)
        session = requests.Session()
        session.trust_env = False

        def look() -> bool:
            _check(process, output)
            with contextlib.suppress(requests.ConnectionError):
                return session.put(f"{self.url}/{bucket}", timeout=10).ok
            return False

        wait_for(look, timeout=60, what="the S3 server to listen")


def _postgres_programs() -> Path:
    """The folder of PostgreSQL's newest programs. Debian has one for each version, and none is on the PATH."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0,
    )
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise ServiceError("There is no PostgreSQL server: install Debian's package postgresql.")
    return found[-1] if found else Path(str(on_path)).resolve().parent


def _clean() -> dict[str, str]:
    """An environment in which nothing names another server or locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _check(process: subprocess.Popen[bytes], output: Path) -> None:
    if process.poll() is not None:
        raise ServiceError(f"{output.stem} ended with {process.returncode}:\n{output.read_text()}")
