"""Airflow and the service, and what a test does with both: begin a case, disturb it, look how it ended."""

import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

import requests

from tests.support.airflow_api import Json
from tests.support.airflow_instance import AirflowInstance
from tests.support.log_account import numbered
from tests.support.sql_control import SqlControl
from tests.support.waiting import PATIENCE_SECONDS, wait_for
from wherobots_local import LocalServer

TASK = "run"
KEY_STEM = "end-to-end-key-"
"""What every API key of these tests begins with."""
UNTIL_RELEASED = "until_released.py"
PER_TIME = 5
STEP_NS = 2_000_000


def moment(text: str) -> float:
    """A time of the local server's journal in epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


def next_second() -> datetime:
    """A moment for numbered lines to begin: after each line that a run has written until now."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)


def numbered_lines(first: int, count: int, start: datetime) -> list[Json]:
    """Numbered lines of a log, five to each time, half a thousand times a second, the first of all at ``start``."""
    start_ns = int(start.timestamp()) * 10**9
    return [{"timestamp": start_ns + n // PER_TIME * STEP_NS, "raw": numbered(n)} for n in range(first, first + count)]


@dataclass
class World:
    """A running Airflow that is connected to a local server.

    :param folder: where Airflow writes what it tells others.
    :param worker: the name of this process among those that share the Airflow.
    :param root: the folder behind the server's ``s3://``.
    """

    airflow: AirflowInstance
    server: LocalServer
    control: SqlControl
    api_key: str
    folder: Path
    worker: str
    root: Path
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def remembers(self) -> bool:
        """Whether a try can remember what those before it have done."""
        return self.airflow.is_from("3.3")

    @property
    def clear_forgets(self) -> bool:
        """Whether a clear discards what the task remembers."""
        return self.airflow.is_from("3.4")

    @property
    def conn_id(self) -> str:
        """The id of this process's connection."""
        return f"wherobots_{self.worker}"

    def connect(self, conn_id: str | None = None) -> None:
        """Store a connection with the present key.

        :param conn_id: its id. Default: that of this process.
        """
        self.airflow.api.set_connection(
            conn_id or self.conn_id, "wherobots", host=self.server.url, password=self.api_key
        )

    def rotate_key(self) -> None:
        """Give the service and the connection a new key."""
        self.api_key = self.api_key.removesuffix("-1") + "-2"
        self.connect()
        self.control.rotate_api_key(self.api_key)

    def case(self, way: str) -> "Case":
        """A DAG run to be, of the DAG ``way``."""
        return Case(self, way, self.new_name(way))

    def new_name(self, way: str) -> str:
        """An id for a DAG run that no other one has."""
        return f"{way}-{self.worker}-{next(self.numbers)}"

    def times_said(self, text: str, log: str) -> int:
        """How often a text is in a task's log.

        A busy Airflow 3.3.1 may close a trigger's log before it has read the trigger's last lines, and then writes them
        into the triggerer's own output.
        """
        outputs = [path.read_text(errors="replace") for path in self.airflow.home.glob("output/triggerer-*.log")]
        return sum(told.count(text) for told in (log, *outputs))

    def orphans(self, *arguments: str) -> list[Json]:
        """Run the command ``orphans``, and return its rows."""
        user = self.airflow.credentials
        program = ("-m", "airflow_provider_wherobots", "orphans", "--conn", self.conn_id, "--output", "json")
        env = {"AIRFLOW_API_USERNAME": user.username, "AIRFLOW_API_PASSWORD": user.password}
        rows: list[Json] = json.loads(self.airflow.run_python(*program, *arguments, env=env))
        return rows

    @property
    def headers(self) -> dict[str, str]:
        """What the service wants to see with each call."""
        return {"X-API-Key": self.api_key}


@dataclass(frozen=True)
class DagCase:
    """One DAG run, and its task."""

    world: World
    way: str
    dag_run: str

    def trigger(self, conf: dict[str, Any]) -> Self:
        """Start the DAG run."""
        self.world.airflow.api.trigger_dag(self.way, {**conf, "conn_id": self.world.conn_id}, self.dag_run)
        return self

    def wait_for_task(self, *states: str, task_id: str = TASK, timeout: float = PATIENCE_SECONDS) -> Json:
        """Wait until a task is in one of some states."""
        return self.world.airflow.api.wait_for_task(self.way, self.dag_run, task_id, *states, timeout=timeout)

    def wait_until_deferred(self, times: int = 1, *, task_id: str = TASK) -> None:
        """Wait until a task is deferred, and the scheduler has dealt with the executor's report of that.

        If a trigger fires before, Airflow takes the report for one of the task that is queued again, and ends it. The
        scheduler's log names a report when it arrives. Its next heartbeat comes after it has dealt with that.

        :param times: how often its try is deferred by then. Default 1.
        """
        number = self.wait_for_task("deferred", task_id=task_id)["try_number"]
        key = f"TaskInstanceKey(dag_id='{self.way}', task_id='{task_id}', run_id='{self.dag_run}', try_number={number},"
        # Airflow 3.4 names the task instance's UUID first.
        reported_success = re.compile(rf"state success for task instance (?:\S+ \(coordinates=)?{re.escape(key)}")
        airflow = self.world.airflow
        output = airflow.output("scheduler")
        wait_for(
            lambda: len(reported_success.findall(output.read_text(errors="replace"))) >= times,
            what=f"{times} of the executor's reports",
        )
        reported = datetime.now(UTC)

        def has_gone_on() -> bool:
            return datetime.fromisoformat(airflow.api.health()["scheduler"]["latest_scheduler_heartbeat"]) > reported

        wait_for(has_gone_on, what="the scheduler's heartbeat")

    def end(self, state: str, *, try_number: int | None = None, timeout: float = PATIENCE_SECONDS) -> str:
        """Wait for the task's end in a state, and return the task's log."""
        api = self.world.airflow.api
        ended = api.wait_for_task(self.way, self.dag_run, TASK, state, try_number=try_number, timeout=timeout)
        return self.log(ended["try_number"])

    def log(self, try_number: int = 1) -> str:
        """The task's log as Airflow serves it."""
        return self.world.airflow.api.task_log(self.way, self.dag_run, TASK, try_number).text

    def task(self) -> Json:
        """The task instance."""
        return self.world.airflow.api.task_instance(self.way, self.dag_run, TASK)

    def xcom(self, key: str = "return_value") -> Any:
        """The task's XCom, or None."""
        return self.world.airflow.api.xcom(self.way, self.dag_run, TASK, key)

    def links(self) -> Json:
        """The task's links by their names."""
        return self.world.airflow.api.links(self.way, self.dag_run, TASK)

    def mark(self, state: Literal["success", "failed"]) -> None:
        """Mark the task, as a user does."""
        self.world.airflow.api.set_task_state(self.way, self.dag_run, TASK, state)

    def clear(self, *, keep_task_state: bool = False) -> None:
        """Clear the task, as a user does.

        :param keep_task_state: whether Airflow 3.4 keeps what the task has in its store. Default False.
        """
        airflow = self.world.airflow
        if airflow.is_series("2.11") and self.task()["state"] == "running":
            # Its REST API does not reach a task on a worker.
            when = airflow.api.dag_run(self.way, self.dag_run)["logical_date"]
            airflow.cli("tasks", "clear", "--yes", "--start-date", when, "--end-date", when, self.way)
        else:
            options = {"keep_task_state": True} if keep_task_state and airflow.is_from("3.4") else {}
            airflow.api.clear_task(self.way, self.dag_run, TASK, **options)


@dataclass(frozen=True)
class Case(DagCase):
    """One DAG run, and at the service all that is its: its id is in the names of its runs.

    So cases can go on side by side, and what each counts is its own.
    """

    def fault(self, operation: str, action: dict[str, Any] | str, **conditions: Any) -> Self:
        """Let the service misbehave towards this case: before it begins for creates, else once it has a run."""
        whose = {"name": self._names} if operation == "createJobRun" else {"run_id": self.runs()[-1]["id"]}
        self.world.control.add_fault(operation, action, **whose, **conditions)
        return self

    def begin(self, script: str = UNTIL_RELEASED, arg: object = None, code: int = 0, **more: Any) -> Self:
        """Start the DAG run.

        :param arg: given to the script. Default: the file whose appearance :meth:`release` brings about.
        :param more: what else is in the DAG run's conf.
        """
        conf = {"script": script, "arg": str(self._release if arg is None else arg), "code": str(code), **more}
        return self.trigger({**conf, "release": str(self._release)})

    def talk(self, lines: int, state: str, *, code: int = 0) -> str:
        """Run a job that says some lines, wait for the task's end in a state, and return the task's log.

        The job ends only once Airflow has dealt with the deferral. If a trigger fires before, Airflow fails the task.
        """
        self.begin("talk.py", lines, code)
        if not self.way.startswith("worker"):
            self.wait_until_deferred()
        self.release()
        return self.end(state)

    def wait_until_followed(self, state: str, *, requests: int = 1) -> Self:
        """Wait until the task is in a state, its job is running, and the run was asked for that often."""
        if state == "deferred":
            self.wait_until_deferred()
        else:
            self.wait_for_task(state)
        self.wait_for_statuses("RUNNING")
        wait_for(lambda: len(self.requests("getJobRun")) >= requests, what="the run to be followed")
        return self

    def wait_for_new_run(self, state: str) -> None:
        """Wait until the run is cancelled, and the next try of the task is in a state and has a run of its own."""
        self.wait_for_statuses("CANCELLED", "RUNNING")
        if state == "deferred":
            self.wait_until_deferred()

    def release(self) -> None:
        """Let the job come to its end."""
        self._release.touch()

    def hold(self) -> None:
        """Let the jobs that start from now on run until :meth:`release`."""
        self._release.unlink()

    def crash(self) -> None:
        """Let the trigger of the DAG ``crashing`` raise."""
        self._release.with_suffix(".crash").touch()

    def kill_worker(self) -> None:
        """Kill the process of the task with SIGKILL, so that Airflow retries it."""
        self.world.airflow.kill_task(self.way, self.dag_run, TASK)

    def kill_worker_after_the_runs_end(self) -> None:
        """Let the run that a worker follows complete, and kill the worker before it can end the task."""
        # The worker waits more than a minute for the response.
        self.fault("getJobRunLogs", {"type": "hang", "seconds": 600}, times=1)
        wait_for(lambda: any(call["fault"] for call in self.requests("getJobRunLogs")), what="the log to be read")
        self.release()
        self.wait_for_statuses("COMPLETED")
        self.kill_worker()

    def wait_until_template_hangs(self) -> Self:
        """Wait until a template of the task hangs. By then Airflow has deleted the XComs of the try before."""
        wait_for(self._release.with_suffix(".hangs").exists, what="a template to hang")
        return self

    def run_url(self, run: Json) -> str:
        """Where the link to a run leads."""
        return f"{self.world.server.url}/runs/{run['id']}"

    def follow_on(self, *, state: str = "deferred", try_number: int = 1) -> str:
        """Wait until the run is asked for again, only then let it end; return the log."""
        self.wait_until_followed(state, requests=len(self.requests("getJobRun")) + 1)
        self.release()
        log = self.end("success", try_number=try_number)
        assert self.counts() == (1, 0)
        assert log.count("the run is done") == 1
        return log

    def cancel(self) -> None:
        """Cancel the newest run as somebody in the console would."""
        url = f"{self.world.server.url}/runs/{self.runs()[-1]['id']}/cancel"
        requests.post(url, headers=self.world.headers, timeout=60).raise_for_status()

    def requests(self, operation: str) -> list[Json]:
        """What reached the service of this case, oldest first."""
        journal = self.world.control.requests()
        own = {entry["run_id"] for entry in journal if self._is_create(entry) and entry["effective"]}
        return [
            entry
            for entry in journal
            if entry["operation"] == operation and (self._is_create(entry) or entry["run_id"] in own)
        ]

    def creates_received(self) -> list[Json]:
        """The create requests that have reached the service, answered or not."""
        return [entry for entry in self.world.control.requests() if self._is_create(entry)]

    def counts(self) -> tuple[int, int]:
        """Creates and cancels that took effect."""
        creates, cancels = (
            [entry for entry in self.requests(operation) if entry["effective"]]
            for operation in ("createJobRun", "cancelJobRun")
        )
        return len(creates), len(cancels)

    def runs(self) -> list[Json]:
        """The service's runs, oldest first."""
        ids = [entry["run_id"] for entry in self.requests("createJobRun") if entry["effective"]]
        # Listed, not got one by one: who gets a run in the journal is Airflow alone.
        answer = requests.get(
            f"{self.world.server.url}/runs",
            params={"name": self._names, "size": "100"},
            headers=self.world.headers,
            timeout=60,
        )
        answer.raise_for_status()
        found = {run["id"]: run for run in answer.json()["items"]}
        return [found[run_id] for run_id in ids]

    def statuses(self) -> list[str]:
        """Their statuses."""
        return [run["status"] for run in self.runs()]

    def wait_for_statuses(self, *statuses: str) -> None:
        """Wait until the service's runs have these statuses."""
        wait_for(
            lambda: self.statuses() == list(statuses),
            what=f"the runs to be {statuses}",
            detail=lambda: f"They are {self.statuses()}. {self._describe_task()}",
        )

    def _describe_task(self) -> str:
        task = self.task()
        state = f"The task is {task['state']} in try {task['try_number']}, and was queued at {task.get('queued_when')}"
        return f"{state}. The end of its log:\n{self.log(max(1, task['try_number']))[-3_000:]}"

    @property
    def _names(self) -> str:
        return f"e2e-{self.dag_run}-*"

    @property
    def _release(self) -> Path:
        return self.world.root / self.dag_run

    def _is_create(self, entry: Json) -> bool:
        return entry["operation"] == "createJobRun" and str(entry["name"]).startswith(self._names[:-1])
