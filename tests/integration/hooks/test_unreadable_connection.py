"""A connection that a trigger cannot read for a while."""

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from airflow_provider_wherobots.api.errors import NotSentError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.compat import Connection
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.hooks import wherobots as hook_module
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.triggers import guarded, run
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger
from tests.integration.conftest import API_KEY
from tests.integration.support import Said, events_of
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient


class Away:
    """What Airflow reads connections from. It is away until a moment of a virtual clock; only pauses take time."""

    def __init__(self, until: float, connection: Callable[[], Any]) -> None:
        self.until = until
        self.connection = connection
        self.now = 0.0
        self.pauses: list[float] = []

    def time(self) -> float:
        return self.now

    monotonic = time

    async def read(self, conn_id: str) -> Any:
        if self.now < self.until:
            raise LookupError(f"http://user:secret@vault/ has no {conn_id}")
        return self.connection()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def away(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Away]:
    def make(until: float, **fields: Any) -> Away:
        given: dict[str, Any] = {"conn_type": "wherobots", "host": server.url, "password": API_KEY, **fields}
        it = Away(until, lambda: Connection(conn_id="wherobots_default", **given))
        monkeypatch.setattr(hook_module, "get_async_connection", it.read)
        monkeypatch.setattr(hook_module, "time", it)
        # The local server sleeps too, in the same process.
        monkeypatch.setattr(hook_module, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": it.sleep}))
        return it

    return make


async def read_settings(hook: WherobotsHook, **arguments: Any) -> str:
    async with hook.async_io(logging.getLogger("trigger"), **arguments):
        return hook.settings.endpoint.api_key


def test_it_is_read_again_after_growing_pauses(away: Callable[..., Away], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    it = away(until=100.0)
    assert asyncio.run(read_settings(WherobotsHook(), max_outage_seconds=600)) == API_KEY
    assert it.pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "trigger"] == [
        (
            "WARNING",
            "connection 'wherobots_default': cannot be read: LookupError: http://***@vault/ has no wherobots_default;"
            " reading it again",
        ),
        ("INFO", "The connection 'wherobots_default' could be read, after 8 failed attempts"),
    ]


def test_it_is_read_until_the_tolerance_is_over_and_the_error_names_it(away: Callable[..., Away]) -> None:
    it = away(until=10_000.0)
    with pytest.raises(NotSentError) as failed:
        asyncio.run(read_settings(WherobotsHook(), max_outage_seconds=90))
    assert sum(it.pauses) == 90
    assert str(failed.value) == (
        "connection 'wherobots_default': cannot be read: LookupError: http://***@vault/ has no wherobots_default;"
        " given up after 1 minute 30 seconds of failures (max_outage_seconds=90)"
    )


def test_a_field_that_breaks_a_rule_is_not_read_again(away: Callable[..., Away]) -> None:
    it = away(until=0.0, password="")
    with pytest.raises(WherobotsArgumentException, match="password: must hold the Wherobots API key"):
        asyncio.run(read_settings(WherobotsHook(), max_outage_seconds=600))
    assert it.pauses == []


FOLLOW = {"run_id": "r1", "started_at": 0.0, "max_outage_seconds": 200}
TRIGGERS: dict[str, Any] = {
    "run": lambda: WherobotsRunTrigger("wherobots_default", FOLLOW),
    "SQL session": lambda: WherobotsSqlTrigger(
        "wherobots_default", "s1", {"timeout": 900.0, "max_outage_seconds": 200.0}, own_key="k"
    ),
    "SQL statement": lambda: WherobotsSqlTrigger(
        "wherobots_default", "s1", execution_id="e1", follow={"max_outage_seconds": 200.0}
    ),
}


@pytest.mark.parametrize("kind", TRIGGERS)
def test_every_trigger_waits_for_its_connection_as_for_the_service(away: Callable[..., Away], kind: str) -> None:
    it = away(until=10_000.0)
    event = events_of(TRIGGERS[kind]())
    assert sum(it.pauses) == 200
    assert "(max_outage_seconds=200)" in str(event)
    assert "secret" not in str(event)


def killed(trigger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell a trigger that never began that its task has failed."""

    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value="failed"))
    trigger.task_instance = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=-1)
    asyncio.run(trigger.on_kill())


def test_a_kill_reads_a_connection_that_was_never_read_again_and_then_cancels(
    away: Callable[..., Away], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = away(until=5.0)
    created = control.create_run("killed-at-once")
    killed(WherobotsRunTrigger("wherobots_default", {**FOLLOW, "run_id": created["id"]}), monkeypatch)
    assert it.pauses == [1, 2, 4]
    assert [entry["status"] for entry in control.requests("cancelJobRun")] == [200]


@pytest.mark.parametrize("kind", ["run", "SQL session", "SQL statement"])
def test_a_kill_reads_it_within_budget(away: Callable[..., Away], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    it = away(until=10_000.0)
    killed(TRIGGERS[kind](), monkeypatch)
    assert sum(it.pauses) == guarded.ON_KILL_SECONDS


def test_a_kill_does_not_wait_for_an_endless_read(conn_id: str, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    async def never(conn_id: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(hook_module, "get_async_connection", never)
    monkeypatch.setattr(guarded, "ON_KILL_SECONDS", 0.1)
    killed(WherobotsRunTrigger(conn_id, FOLLOW), monkeypatch)
    assert "NotSentError: connection 'wherobots_default': cannot be read: TimeoutError" in said()


def test_the_read_counts_against_the_kills_budget(away: Callable[..., Away], monkeypatch: pytest.MonkeyPatch) -> None:
    it, left = away(until=7.0), []

    async def cancel_run(io: Io, run_id: str, budget_seconds: float) -> Any:
        left.append(budget_seconds)

    monkeypatch.setattr(run, "cancel_run", cancel_run)
    monkeypatch.setattr(guarded, "time", it)
    killed(WherobotsRunTrigger("wherobots_default", FOLLOW), monkeypatch)
    assert left == [guarded.ON_KILL_SECONDS - 7]


@pytest.mark.parametrize("meanwhile", [LookupError("the secrets backend is away"), ""])
@pytest.mark.parametrize("kind", ["worker", "triggerer"])
def test_a_connection_that_is_being_changed_is_an_outage_of_the_flow_too(
    server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch, kind: str, meanwhile: str | Exception
) -> None:
    """While a key is replaced, the connection may be deleted, or have no key."""
    run_id = control.create_run("refused-meanwhile")["id"]
    keys: list[Any] = ["old-key", meanwhile, API_KEY]

    def read(conn_id: str) -> Any:
        key = keys.pop(0)
        if isinstance(key, Exception):
            raise key
        return Connection(conn_id=conn_id, conn_type="wherobots", host=server.url, password=key)

    async def read_async(conn_id: str) -> Any:
        return read(conn_id)

    monkeypatch.setattr(WherobotsHook, "get_connection", staticmethod(read))
    monkeypatch.setattr(hook_module, "get_async_connection", read_async)
    hook = WherobotsHook()

    async def run_in_event_loop() -> Any:
        async with hook.async_io(logging.getLogger("trigger")) as io:
            return await send(io, calls.get_run(run_id), 60.0)

    if kind == "triggerer":
        assert asyncio.run(run_in_event_loop()).id == run_id
    else:
        with hook.io() as io:
            assert io.run(send, calls.get_run(run_id), 60.0).id == run_id
    assert keys == []
