"""What triggers ask their supervisor, through the triggerer's real end of that conversation."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots import compat

pytest.importorskip("airflow.sdk.execution_time.comms", reason="on 2.11 a trigger reads the database itself")

ANSWER_SECONDS = 0.01
STATES = {"task": "failed", "task_2": "deferred"}


def answer(question: dict[str, Any]) -> dict[str, Any] | None:
    match question["type"]:
        case "GetConnection":
            unset = dict.fromkeys(("host", "schema", "login", "password", "port", "extra"))
            return {"type": "ConnectionResult", "conn_id": question["conn_id"], "conn_type": "wherobots", **unset}
        case "GetTaskStates":
            return {"type": "TaskStatesResult", "task_states": {"manual__1": STATES}}
    return None


def serve(connection: socket.socket) -> None:
    """Answer as the supervisor does: one question after the other."""
    import msgspec
    from airflow.sdk.execution_time.comms import _ResponseFrame

    stream = connection.makefile("rb")
    while length := stream.read(4):
        number, body, *_ = msgspec.msgpack.decode(stream.read(int.from_bytes(length, "big")))
        time.sleep(ANSWER_SECONDS)
        connection.sendall(_ResponseFrame(number, answer(body)).as_bytes())


@pytest.fixture
def triggerer_end() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    supervisor = threading.Thread(target=serve, args=[theirs], daemon=True)
    supervisor.start()
    yield ours
    with contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    supervisor.join(timeout=10)
    theirs.close()


async def connect(triggerer_end: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder
    from airflow.sdk.execution_time import task_runner

    reader, writer = await asyncio.open_connection(sock=triggerer_end)
    comms = TriggerCommsDecoder(async_writer=writer, async_reader=reader, socket=triggerer_end)
    if hasattr(comms, "start_reader"):  # 3.3
        await comms.start_reader()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)


def state(map_index: int) -> Any:
    return compat.get_task_state(SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=map_index))


@pytest.mark.timeout(60)
def test_many_triggers_ask_at_once_and_some_are_killed_meanwhile(
    triggerer_end: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)  # noqa: S311 - anything but a secret

    async def ask(number: int) -> Any:
        connection = await compat.get_async_connection(f"connection_{number}")
        return connection.conn_id, await state(-1), await state(2), await state(3)

    async def ask_all() -> None:
        await connect(triggerer_end, monkeypatch)
        asking = {number: asyncio.create_task(ask(number)) for number in range(20)}
        for number in chance.sample(range(20), 8):
            await asyncio.sleep(chance.random() * 4 * ANSWER_SECONDS)
            asking.pop(number).cancel()
        answers = await asyncio.gather(*asking.values())
        assert answers == [(f"connection_{number}", "failed", "deferred", None) for number in asking]
        assert await ask(99) == ("connection_99", "failed", "deferred", None)

    asyncio.run(ask_all())


@pytest.mark.timeout(60)
def test_a_question_that_is_waited_for_no_longer_harms_nobody(
    triggerer_end: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        await connect(triggerer_end, monkeypatch)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(state(-1), ANSWER_SECONDS / 10)
        assert await state(2) == "deferred"

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("stored", "pulled"), [("https://spark.example.com", "https://spark.example.com"), (None, None)]
)
def test_an_xcom_that_is_not_there_is_nothing_to_warn_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stored: str | None, pulled: str | None
) -> None:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import XComResult

    asked = []

    def send(question: Any) -> Any:
        asked.append((question.key, question.dag_id, question.task_id, question.run_id, question.map_index))
        return XComResult(key=question.key, value=stored)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=send), raising=False)
    key = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=2)
    assert compat.pull_xcom(key, "spark_ui_url") == pulled
    assert asked == [("spark_ui_url", "dag", "task", "manual__1", 2)]
    assert "warning" not in "".join(capsys.readouterr())
