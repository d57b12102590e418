"""A DAG run whose task executes one statement, and what has reached the service of it."""

import signal
from dataclasses import dataclass
from typing import Any, Literal, Self

from tests.e2e.world import DagCase, World, moment
from tests.support.airflow_api import Json
from tests.support.waiting import wait_for

Kind = Literal["read", "write", "store"]
KINDS: tuple[Kind, ...] = ("read", "write", "store")
STATEMENTS: dict[Kind, str] = {"read": "SELECT {}", "write": "INSERT INTO e2e.log VALUES ({})", "store": "SELECT {}"}
LITERAL = "a-literal-of-the-statement"
"""Part of each statement; no log shows it."""
HANDED_OVER = "Deferring the task: the triggerer follows statement"
SIGNATURE = "signature="
"""Part of each presigned URL."""


@dataclass(frozen=True)
class SqlCase(DagCase):
    """One DAG run, and at the service all that is its: its id is in its statement.

    :param kind: what its statement does.
    """

    kind: Kind

    @classmethod
    def of(cls, world: World, way: str, kind: Kind) -> Self:
        """A DAG run to be."""
        name = f"{way}_store" if kind == "store" else way
        return cls(world, name, world.new_name(name), kind)

    @property
    def sql(self) -> str:
        """Its statement."""
        return STATEMENTS[self.kind].format(f"'{self.dag_run}', '{LITERAL}'")

    def begin(self, *, held: bool = True, error: str = "") -> Self:
        """Start the DAG run.

        :param held: whether its statement runs until :meth:`release`. Default True.
        :param error: the text with which its statement fails. Default: it succeeds.
        """
        columns = None if self.kind == "write" else {"n": [7, 8]}
        self.world.control.answer_sql(self._mark, columns, error=error, held=held)
        return self.trigger({"sql": self.sql})

    def release(self) -> None:
        """Let its statement come to its end."""
        self.world.control.release_sql(self._mark)

    def wait_until_executed(self, times: int = 1) -> Self:
        """Wait until its statement was sent so often."""
        return self._wait(lambda: len(self.sent()) >= times, "the statement to be sent")

    def wait_until_followed(self) -> Self:
        """Wait until the task is deferred, and its trigger follows the statement."""
        self.wait_until_deferred()
        return self.wait_until_listened()

    def wait_until_listened(self, sockets: int = 2) -> Self:
        """Wait until somebody follows the statement, and so many connections have been opened."""
        return self._wait(
            lambda: self.executions()[-1]["has_listener"] and len(self.sockets()) >= sockets,
            "somebody to follow the statement",
        )

    def wait_for_states(self, *states: str) -> Self:
        """Wait until its executions have these states, oldest first."""
        return self._wait(lambda: self.states() == list(states), f"the executions to be {states}")

    def sent(self) -> list[Json]:
        """The messages with its statement, oldest first."""
        return [entry for entry in self.world.control.requests("executeSql") if self._mark in entry["statement"]]

    def cancels(self) -> list[Json]:
        """The messages that cancel its executions, oldest first."""
        ids = {entry["execution_id"] for entry in self.sent()}
        return [entry for entry in self.world.control.requests("cancelExecution") if entry["execution_id"] in ids]

    def counts(self) -> tuple[int, int]:
        """How many executions it has begun and cancelled."""
        begun, cancelled = ([entry for entry in found if entry["effective"]] for found in (self.sent(), self.cancels()))
        return len(begun), len(cancelled)

    def sessions(self) -> list[str]:
        """The ids of the sessions that were made for it."""
        return [
            session["id"]
            for session in self.world.control.sql_sessions()
            if session["apiPayload"].get("sessionKey") == self.dag_run
        ]

    def sockets(self) -> list[Json]:
        """The connections to its session."""
        sessions = {entry["session_id"] for entry in self.sent()}
        opened = self.world.control.requests("openSqlSocket")
        return [entry for entry in opened if entry["session_id"] in sessions and entry["status"] == 101]

    def executions(self) -> list[Json]:
        """Its executions, oldest first."""
        sessions = self.world.control.sql_sessions()
        return [shown for session in sessions for shown in session["executions"] if self._mark in shown["statement"]]

    def states(self) -> list[str]:
        """Their states."""
        return [shown["state"] for shown in self.executions()]

    def forget(self) -> None:
        """Let its session forget its executions, as if others had executed many statements."""
        for entry in self.sent():
            self.world.control.evict_sql_execution(entry["session_id"], entry["execution_id"])

    def kill_worker(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process that executes its task."""
        self.world.airflow.kill_task(self.way, self.dag_run, "run", sig=sig)

    def cut(self) -> None:
        """Cut all connections to its session, as if the network had failed."""
        self.world.control.drop_sql_connections(self.sent()[-1]["session_id"])

    def check_marked_failed(self) -> None:
        """Its one execution is cancelled, and its task stays failed."""
        self.wait_for_states("cancelled")
        assert self.counts() == (1, 1)
        assert self.task()["state"] == "failed"
        self.check_secrets(self.log())

    def check_executed_again(self) -> None:
        """After it was cleared, its new try has executed the statement after the old execution was cancelled."""
        self.wait_until_executed(2).wait_until_deferred()
        self.release()
        self.check_result(self.end("success", try_number=2))
        assert self.states() == ["cancelled", "succeeded"]
        assert self.counts() == (2, 1)
        assert moment(self.cancels()[0]["time"]) <= moment(self.sent()[1]["time"]), "never two at a time"

    def check_result(self, log: str) -> None:
        """Its task has returned what its statement gave, and told nothing that is secret."""
        value, name = self.xcom(), self.dag_run
        if self.kind == "read":
            assert value == [[7], [8]], name
        elif self.kind == "write":
            assert value is None, name
        else:
            address, _, query = str(value).partition("?")
            assert address.endswith(".parquet"), value
            assert SIGNATURE in query
        self.check_secrets(log)

    def check_secrets(self, log: str) -> None:
        """A log has neither the key, nor a literal of the statement, nor a presigned URL."""
        assert self.world.api_key not in log
        assert LITERAL not in log, log
        assert SIGNATURE not in log, log

    @property
    def _mark(self) -> str:
        # In quotes, so that no other case's has it in it.
        return f"'{self.dag_run}'"

    def _wait(self, look: Any, what: str) -> Self:
        wait_for(
            look,
            interval=0.3,
            what=f"{self.dag_run}: {what}",
            detail=lambda: f"executions {self.states()}, messages {len(self.sent())}, task {self.task()['state']}",
        )
        return self
