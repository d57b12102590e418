"""The wheel in an environment of its own, outside the checkout, and run by a user who owns none of its files.

All other tests run in an environment with more packages than a user has, and mostly as root.
"""

import json
import os
import pwd
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.made_up_files import make_jar, make_wheel
from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, require
from tests.support.installed import built_wheel
from tests.support.waiting import wait_for
from wherobots_local import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WITH_A_PACKAGE = "import made_up, os, sys\nprint(made_up.VERSION, sys.argv[1], os.getuid())\n"
NOBODY = "nobody"


@dataclass(frozen=True)
class Bare:
    """An environment with the server and nothing else.

    :param python: its interpreter.
    :param user: who runs it: another user than the owner of the files, where this user may change to one.
    :param program: what is started.
    """

    python: Path
    user: str | None
    program: tuple[str | Path, ...]

    @property
    def uid(self) -> int:
        """The number of the user who runs it."""
        return os.getuid() if self.user is None else pwd.getpwnam(self.user).pw_uid

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start the command as the other user, with an environment that names no package."""
        # Not the tests' own programs: their spark-submit needs their PySpark.
        tests = str(Path(sys.executable).parent)
        path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != tests)
        environment = {"PATH": path, "WHEROBOTS_API_KEY": KEY, **options.pop("env", {})}
        other: dict[str, Any] = {}
        if self.user is not None:
            other = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}
        return subprocess.Popen([*self.program, *arguments], env=environment, text=True, **other, **options)

    def output(self, *arguments: str) -> str:
        """Run the command to its end, and return what it prints."""
        with self.start(*arguments, stdout=subprocess.PIPE, cwd="/") as process:
            printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return printed.strip()


def other_user_can_run(python: str) -> bool:
    """Whether another user may run an interpreter: one in a home folder may be out of reach."""
    if os.getuid() != 0:
        return False
    try:
        return subprocess.run([python, "-c", ""], user=NOBODY, cwd="/", env={}, check=False).returncode == 0
    except PermissionError:
        return False


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user can read: those of pytest are for one user only."""
    folder = Path(tempfile.mkdtemp(prefix="bare-install-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def bare_environment(folder: Path, extra: str, uv: Callable[..., str]) -> Bare:
    """Install the wheel, with an extra or without, where every file is read-only for the user who will run it."""
    pythons = [sys.executable, *(f"/usr/bin/python3.{minor}" for minor in (13, 12, 11))]
    shared = [os.path.realpath(path) for path in pythons if os.path.exists(path)]
    reachable = [python for python in shared if other_user_can_run(python)]
    uv("venv", "--quiet", "--python", (reachable or shared)[0], folder)
    wheel = f"wherobots-local{extra} @ {built_wheel('wherobots_local').as_uri()}"
    uv("pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "bin" / "python", wheel)
    return Bare(folder / "bin" / "python", NOBODY if reachable else None, (folder / "bin" / "wherobots-local",))


class Running:
    """A server of a bare environment, with https, and a client of it."""

    def __init__(self, bare: Bare, folder: Path, **environment: str) -> None:
        folder.mkdir()
        shutil.chown(folder, bare.uid)
        ready = folder / "ready.json"
        self.uid = bare.uid
        self.root = folder / "root"
        self.output = folder / "output"
        options = ("--root", self.root, "--port", "0", "--ready-file", ready, "--make-certificate", folder / "tls")
        with self.output.open("w") as sink:
            # In the folder "/" there is nothing to import, and nothing to write.
            self.process = bare.start(*options, cwd="/", env=environment, stdout=sink, stderr=subprocess.STDOUT)
        wait_for(lambda: ready.exists() or self.process.poll() is not None, what="the server to listen")
        assert self.process.poll() is None, self.output.read_text()
        self.bundle = folder / "tls" / "ca-bundle.pem"
        self.client = SqlClient(json.loads(ready.read_text())["url"], self.root, verify=str(self.bundle))

    def put(self, name: str, content: bytes) -> str:
        """Write a file below the root, as the user who runs the server, and return its address."""
        path = self.root / "bucket" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        for written in (path.parent, path):
            shutil.chown(written, self.uid)
        return f"s3://bucket/{name}"

    def stop(self) -> None:
        """End it, as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def bare(place: Path, uv: Callable[..., str]) -> Bare:
    """With SQL."""
    return bare_environment(place / "environment", "[sql]", uv)


@pytest.fixture(scope="module")
def server(bare: Bare, place: Path) -> Iterator[Running]:
    """Its runs can have a package, which comes from a folder instead of the index."""
    wheels = place / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "made_up", "1.5")
    running = Running(bare, place / "server", PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.as_uri())
    yield running
    running.stop()


def test_it_is_a_server_without_airflow_and_without_the_checkout(bare: Bare) -> None:
    code = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    names = subprocess.check_output([bare.python, "-P", "-c", code], text=True, cwd="/").split()

    assert "wherobots-local" in names
    assert not [name for name in names if "airflow" in name]
    assert bare.output("--version") == f"wherobots-local {__version__}"


def test_a_script_with_a_dependency_runs(server: Running) -> None:
    uri = server.put("job.py", WITH_A_PACKAGE.encode())
    packages = [{"sourceType": "PYPI", "libraryName": "made_up", "libraryVersion": "1.5"}]
    run = server.client.create(runPython={"uri": uri, "args": ["hello"]}, environment={"dependencies": packages})
    server.client.wait(run["id"], "COMPLETED")

    assert server.client.lines(run["id"])[-1] == f"1.5 hello {server.uid}"


def test_a_jar_runs(server: Running) -> None:
    require(shutil.which("java"), "no java: install a Java runtime, headless is enough")
    jar = server.root.parent / "echo.jar"
    make_jar(jar)
    uri = server.put("echo.jar", jar.read_bytes())
    run = server.client.create(runJar={"uri": uri, "mainClass": "Echo", "args": ["from a JAR", "0"]})
    server.client.wait(run["id"], "COMPLETED")

    assert server.client.lines(run["id"])[-1] == "from a JAR"


def test_a_statement_is_executed(server: Running) -> None:
    session = server.client.ready()
    with server.client.open(session, tls=ssl.create_default_context(cafile=server.bundle)) as socket:
        assert socket.rows("SELECT ST_AsText(ST_Point(1, 2)) AS place") == [{"place": "POINT (1 2)"}]
        _, state = socket.run("CREATE TABLE kept AS SELECT 7 AS n")
        assert state["state"] == "succeeded"
        assert socket.rows("SELECT n FROM kept") == [{"n": 7}]
