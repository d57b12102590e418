"""A real Airflow in a folder: each component is a process, and so is its PostgreSQL."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psutil
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.airflow_api import AirflowApi, AirflowApiV1, AirflowApiV2
from tests.support.airflow_settings import (
    CONFIG_FILES,
    Credentials,
    airflow_2,
    airflow_3,
    as_environment,
    common,
    lost_tasks_noticed_soon,
)
from tests.support.places import TREE
from tests.support.ports import HeldPort
from tests.support.processes import ProcessFamily, freeze, is_alive, resume
from tests.support.services import PostgreSQL
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ComponentKey = tuple[str, int]


class AirflowInstanceError(RuntimeError):
    """Airflow did not start, or is not in the state that a call needs."""


class AirflowInstance:
    """A separate Airflow 2.11 or 3 with all its components, on a free port of the loopback interface.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. The components end with this process,
    however it ends.

    :param home: its AIRFLOW_HOME: logs, and the components' output. :meth:`start` empties it.
    :param dags_folder: the folder of its DAG files; read in place.
    :param python: the interpreter of a virtualenv with Airflow; decides the version. Default: this one.
    :param env: more environment variables for all components, such as ``AIRFLOW__SECTION__OPTION`` or
        ``AIRFLOW_CONN_<ID>``; they override those that the instance sets. ``PYTHONPATH`` comes after this checkout,
        whose code the components run, also if another checkout is installed in the virtualenv.
    :param counts: how many of each component to start. Default 1 of each, but no ``celery-worker``.
    :param component_env: called with a component's name and number; returns environment variables for only this
        component, such as its own log folder. Default None: there are none.
    :param path: the path below which Airflow 3 is, such as ``/airflow``. Default: none.
    :param progress: called with a line of text about each step. Default None: no output.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags_folder: Path,
        python: Path = Path(sys.executable),
        env: Mapping[str, str] | None = None,
        counts: Mapping[str, int] | None = None,
        component_env: Callable[[str, int], Mapping[str, str]] | None = None,
        path: str = "",
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.python = python
        self.dags_folder = dags_folder.resolve()
        self.version = _airflow_version(python)
        self._extra_env = dict(env or {})
        self._counts = dict(counts or {})
        self._component_env = component_env or (lambda name, n: {})
        self._path = path
        self._progress = progress or (lambda _: None)
        self._family = ProcessFamily(f"airflow:{self.home}")
        self._database: PostgreSQL | None = None
        self._port: HeldPort | None = None
        self._env: dict[str, str] = {}
        self._api: AirflowApi | None = None
        self.url = ""
        self.credentials = Credentials.random()

    def shared(self) -> dict[str, Any]:
        """What another process needs to :meth:`join` this Airflow, as JSON has it. It contains secrets."""
        return {
            "home": str(self.home),
            "dags_folder": str(self.dags_folder),
            "python": str(self.python),
            "url": self.url,
            "env": self._env,
            "credentials": self.credentials.as_dict(),
        }

    @classmethod
    def join(cls, shared: Mapping[str, Any]) -> Self:
        """An Airflow that another process has started and will stop. What is started here ends with it too."""
        found = cls(Path(shared["home"]), dags_folder=Path(shared["dags_folder"]), python=Path(shared["python"]))
        found._family = ProcessFamily(f"airflow:{found.home}", guarded=False)
        found.credentials = Credentials(**shared["credentials"])
        found.url, found._env = shared["url"], shared["env"]
        found._api = found._client()
        return found

    @property
    def is_airflow_3(self) -> bool:
        """Whether this is an Airflow 3."""
        return not self.version.startswith("2.")

    def is_series(self, series: str) -> bool:
        """Whether this is an Airflow of a release series such as ``3.0``."""
        return self.version.startswith(f"{series}.")

    def is_from(self, series: str) -> bool:
        """Whether this is an Airflow of a release series such as ``3.3``, or of a later one."""
        return _series(self.version) >= _series(series)

    @property
    def web_component(self) -> str:
        """The name of the component that serves the UI and the REST API."""
        return "api-server" if self.is_airflow_3 else "webserver"

    @property
    def database(self) -> str:
        """SQLAlchemy's address of its database."""
        return self._env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    @property
    def api(self) -> AirflowApi:
        """The client of its REST API."""
        if self._api is None:
            raise AirflowInstanceError("This Airflow has not been started.")
        return self._api

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, timeout: float = PATIENCE_SECONDS) -> None:
        """Prepare the database, start every component and wait until all are healthy.

        :param timeout: seconds that the components have to become healthy. Default ``PATIENCE_SECONDS``.
        """
        if self._family.members():
            raise AirflowInstanceError(f"An Airflow runs in {self.home} already.")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        try:
            self._start(timeout)
        except BaseException:
            self.stop()
            raise

    def _start(self, timeout: float) -> None:
        begun = time.monotonic()
        self._port = HeldPort()
        self.url = f"http://127.0.0.1:{self._port.number}{self._path}"
        self._progress(f"Airflow {self.version}: preparing the database")
        self._database = PostgreSQL(self._family, self.home / "output" / "postgres.log")
        self._env = self._environment(self._port.number, self._database.url)
        self._prepare()
        self._api = self._client()
        for name, n in self.all_components():
            self.start_component(name, n)
        self._wait_until_healthy(timeout)
        self._progress(f"Airflow {self.version} is up after {time.monotonic() - begun:.0f} s at {self.url}")

    def stop(self, *, grace: float = 5.0) -> None:
        """End every process of this instance, tasks included.

        :param grace: seconds between SIGTERM and SIGKILL. Default 5.
        """
        try:
            self._family.stop(grace=grace)
        finally:
            if self._database is not None:
                self._database.stop()
            if self._port is not None:
                self._port.release()
            if self._api is not None:
                self._api.close()
                self._api = None

    def all_components(self) -> list[ComponentKey]:
        """Return the names and numbers of the components that :meth:`start` starts."""
        return [(name, n) for name in self._names() for n in range(1, self._counts.get(name, 1) + 1)]

    def start_component(self, name: str, n: int = 1, env: Mapping[str, str] | None = None) -> None:
        """Start a component, or start it again after it ended.

        :param name: ``scheduler`` or ``triggerer``; on Airflow 3 also ``dag-processor`` or ``api-server``, on 2.11
            also ``webserver``, and with Celery ``celery-worker``.
        :param env: more environment variables for this start. Default None: there are none.
        """
        if name not in self._names():
            raise AirflowInstanceError(f"Airflow {self.version} has no component {name!r}, only {self._names()}.")
        if self.is_running(name, n):
            raise AirflowInstanceError(f"{name} {n} is running already.")
        command: list[str | Path] = [self.python, "-m", "airflow", *self._arguments(name, n)]
        environment = {**self._env, **self._component_env(name, n), "PGAPPNAME": f"{name}-{n}", **(env or {})}
        process = self._family.spawn(command, env=environment, cwd=self.home, output=self.output(name, n))
        # Another process may join this Airflow and kill the component.
        self._pid_file(name, n).write_text(str(process.pid))

    def kill_component(self, name: str, sig: signal.Signals = signal.SIGKILL, n: int = 1) -> None:
        """Send a signal to a component, and wait until it has ended.

        SIGKILL goes to all its processes (a triggerer's runner, a scheduler's workers and tasks), as when a
        container is killed. Any other signal goes only to its main process, as from a service manager.
        """
        pid = self.pid(name, n)
        # Frozen first, so that none of them can start a process that is then not killed.
        victims = freeze(pid) if sig is signal.SIGKILL else [psutil.Process(pid)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(sig)
        wait_for(lambda: not any(is_alive(one.pid) for one in victims), what=f"{name} {n} to end")

    @contextlib.contextmanager
    def frozen(self, name: str, n: int = 1) -> Iterator[None]:
        """Stop all processes of a component (SIGSTOP) until the end of the block, as when a machine hangs.

        Never within a transaction: with the rows that it has locked, it would hold up the rest of Airflow too.
        """
        stopped: list[psutil.Process] = []

        def poll() -> bool:
            stopped[:] = freeze(self.pid(name, n))
            if not self._transactions(f"{name}-{n}"):
                return True
            resume(stopped)
            return False

        try:
            wait_for(poll, interval=0.05, what=f"{name} {n} to stop outside of a transaction")
            yield
        finally:
            resume(stopped)

    def _transactions(self, client: str) -> int:
        """How many transactions a component has open. PostgreSQL knows it by PGAPPNAME."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :client AND xact_start IS NOT NULL"
        with create_engine(self.database, poolclass=NullPool).connect() as connection:
            return int(connection.execute(text(query), {"client": client}).scalar_one())

    def is_running(self, name: str, n: int = 1) -> bool:
        """Whether the component has been started and has not ended."""
        return self._pid_file(name, n).exists() and is_alive(self.pid(name, n))

    def pid(self, name: str, n: int = 1) -> int:
        """Return the id of the component's main process."""
        return int(self._pid_file(name, n).read_text())

    def task_pid(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> int:
        """Wait for the process that executes a running task's code, and return its id.

        On Airflow 3 the parent of the process is the task's supervisor; on 2.11 it is the local task job.
        """

        def poll() -> int | None:
            instance = self.api.task_instance(dag_id, run_id, task_id, map_index)
            if instance["state"] != "running" or not instance["pid"]:
                return None
            pid = int(instance["pid"])
            return pid if any(member.pid == pid for member in self._family.members()) else None

        return wait_for(poll, interval=0.2, what=f"a process of task {task_id!r}")

    def kill_task(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, sig: signal.Signals = signal.SIGKILL
    ) -> None:
        """Send a signal to the process that executes a running task's code, so that Airflow retries the task.

        On 3.0 SIGKILL goes to the supervisor too: that version does not retry a task if only its process is killed.
        """
        pid = self.task_pid(dag_id, run_id, task_id, map_index)
        victims = (psutil.Process(pid).ppid(), pid) if sig is signal.SIGKILL and self.is_series("3.0") else (pid,)
        for victim in victims:
            os.kill(victim, sig)

    def output(self, name: str, n: int = 1) -> Path:
        """Return the file with the component's output."""
        return self.home / "output" / f"{name}-{n}.log"

    def _pid_file(self, name: str, n: int) -> Path:
        return self.output(name, n).with_suffix(".pid")

    def cli(self, *arguments: str) -> str:
        """Run an ``airflow`` command on this instance and return its standard output."""
        return self.run_python("-m", "airflow", *arguments)

    def run_python(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = PATIENCE_SECONDS
    ) -> str:
        """Run Python with these arguments as on a machine of this instance, and return its standard output.

        :param env: environment variables that are added to the instance's. Default None.
        """
        done = subprocess.run(
            [self.python, *arguments],
            env={**self._env, **(env or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise AirflowInstanceError(f"python {arguments} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def _names(self) -> list[str]:
        if self.is_airflow_3:
            workers = ["celery-worker"] if self._counts.get("celery-worker") else []
            return ["api-server", "scheduler", "dag-processor", "triggerer", *workers]
        return ["webserver", "scheduler", "triggerer"]

    def _arguments(self, name: str, n: int) -> list[str]:
        port = str(urlsplit(self.url).port)
        if name == "celery-worker":
            # A killed worker leaves this file behind, and another process may have its id by now.
            pid_file = self.home / f"celery-worker-{n}.pid"
            pid_file.unlink(missing_ok=True)
            return ["celery", "worker", "--celery-hostname", f"worker-{n}", "--pid", str(pid_file), "--skip-serve-logs"]
        more = {
            "api-server": ["--host", "127.0.0.1", "--port", port],
            "webserver": ["--hostname", "127.0.0.1", "--port", port],
            "scheduler": ["--skip-serve-logs"],
            "triggerer": ["--skip-serve-logs"],
        }
        return [name, *more.get(name, [])]

    def _client(self) -> AirflowApi:
        api_class = AirflowApiV2 if self.is_airflow_3 else AirflowApiV1
        return api_class(self.url, self.credentials.username, self.credentials.password)

    def _environment(self, port: int, database: str) -> dict[str, str]:
        if self.is_airflow_3:
            settings = airflow_3(self.home, self.url, self.credentials)
        else:
            settings = airflow_2(port, self.credentials)
        # There kill_task kills supervisors.
        of_series = lost_tasks_noticed_soon() if self.is_series("3.0") else {}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        extra = {**inherited, **self._extra_env}.get("PYTHONPATH")
        return {
            **inherited,
            # Airflow 2.11 starts its tasks with the command "airflow".
            "PATH": f"{self.python.parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home),
            **as_environment(common(database, self.dags_folder, self.credentials), settings, of_series),
            **self._extra_env,
            "PYTHONPATH": os.pathsep.join([str(TREE), *([extra] if extra else [])]),
        }

    def _prepare(self) -> None:
        shutil.copytree(CONFIG_FILES, self.home / "config", dirs_exist_ok=True)
        user, password = self.credentials.username, self.credentials.password
        if self.is_airflow_3:
            _write_private(self.home / "passwords.json", json.dumps({user: password}))
            self._run_to_end("db", "migrate")
            return
        self._run_to_end("db", "migrate")
        self._progress(f"Airflow {self.version}: creating the user")
        names = ["--firstname", "Ad", "--lastname", "Min", "--email", "admin@localhost"]
        # A random password may begin with a dash, and would be taken for an option.
        self._run_to_end("users", "create", "-u", user, f"--password={password}", "-r", "Admin", *names)

    def _run_to_end(self, *arguments: str) -> None:
        output = self.home / "output" / f"{arguments[0]}.log"
        process = self._family.spawn(
            [self.python, "-m", "airflow", *arguments], env=self._env, cwd=self.home, output=output
        )
        if process.wait(timeout=PATIENCE_SECONDS) != 0:
            raise AirflowInstanceError(f"airflow {arguments[0]} failed:\n{_tail(output)}")

    def _wait_until_healthy(self, timeout: float) -> None:
        reported: set[str] = set()

        def poll() -> bool:
            for name, n in self.all_components():
                if not self.is_running(name, n):
                    raise AirflowInstanceError(f"{name} has ended:\n{_tail(self.output(name, n))}")
            try:
                health = self.api.health()
            except requests.RequestException:
                return False
            healthy = {name for name, state in health.items() if state and state.get("status") == "healthy"}
            for name in sorted(healthy - reported):
                self._progress(f"Airflow {self.version}: {name.replace('_', '-')} is healthy")
            reported.update(healthy)
            wanted = {"metadatabase", "scheduler", "triggerer"} | ({"dag_processor"} if self.is_airflow_3 else set())
            return wanted <= healthy

        wait_for(
            poll,
            timeout=timeout,
            what="Airflow to be healthy",
            detail=lambda: "\n".join(_tail(self.output(*key), 10) for key in self.all_components()),
        )


def _series(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def _airflow_version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('apache-airflow'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _tail(path: Path, lines: int = 40) -> str:
    if not path.exists():
        return f"{path.name}: nothing"
    return f"{path.name}:\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
