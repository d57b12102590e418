"""What triggers ask their supervisor, through the triggerer's real end of that conversation."""

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots import compat

pytest.importorskip("airflow.sdk.execution_time.comms", reason="on 2.11 a trigger reads the database itself")

ANSWER_SECONDS = 0.01
STATES = {"task": "failed", "task_2": "deferred"}
PUSHED: list[tuple[str, str, int]] = []


def answer(question: dict[str, Any]) -> dict[str, Any] | None:
    match question["type"]:
        case "GetConnection":
            unset = dict.fromkeys(("host", "schema", "login", "password", "port", "extra"))
            return {"type": "ConnectionResult", "conn_id": question["conn_id"], "conn_type": "wherobots", **unset}
        case "GetTaskStates":
            return {"type": "TaskStatesResult", "task_states": {"manual__1": STATES}}
        case "SetXCom":
            PUSHED.append((question["key"], question["value"], question["map_index"]))
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


@contextlib.asynccontextmanager
async def connected(triggerer_end: socket.socket) -> AsyncIterator[None]:
    from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder
    from airflow.sdk.execution_time.supervisor import set_supervisor_comms

    reader, writer = await asyncio.open_connection(sock=triggerer_end)
    comms = TriggerCommsDecoder(async_writer=writer, async_reader=reader, socket=triggerer_end)
    if hasattr(comms, "start_reader"):  # 3.3
        await comms.start_reader()
    # Airflow's own way to say with whom to speak: a test that sets the name itself would not notice that it has moved.
    with set_supervisor_comms(comms):
        yield


def task_instance(map_index: int) -> Any:
    return SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=map_index)


def state(map_index: int) -> Any:
    return compat.get_task_state(task_instance(map_index))


def test_many_triggers_ask_at_once_and_some_are_killed_meanwhile(triggerer_end: socket.socket) -> None:
    chance = random.Random(7)  # noqa: S311 - anything but a secret

    async def ask(number: int) -> Any:
        connection = await compat.get_async_connection(f"connection_{number}")
        return connection.conn_id, await state(-1), await state(2), await state(3)

    async def ask_all() -> None:
        async with connected(triggerer_end):
            asking = {number: asyncio.create_task(ask(number)) for number in range(20)}
            for number in chance.sample(range(20), 8):
                await asyncio.sleep(chance.random() * 4 * ANSWER_SECONDS)
                asking.pop(number).cancel()
            answers = await asyncio.gather(*asking.values())
            assert answers == [(f"connection_{number}", "failed", "deferred", None) for number in asking]
            assert await ask(99) == ("connection_99", "failed", "deferred", None)

    asyncio.run(ask_all())


def test_a_question_that_is_waited_for_no_longer_harms_nobody(triggerer_end: socket.socket) -> None:
    async def ask() -> None:
        async with connected(triggerer_end):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(state(-1), ANSWER_SECONDS / 10)
            assert await state(2) == "deferred"

    asyncio.run(ask())


def test_an_xcom_is_pushed_from_a_trigger(triggerer_end: socket.socket) -> None:
    async def push() -> None:
        async with connected(triggerer_end):
            await compat.push_text(task_instance(2), "spark_ui_url", "https://spark.example.com")

    PUSHED.clear()
    asyncio.run(push())
    assert PUSHED == [("spark_ui_url", "https://spark.example.com", 2)]


@pytest.mark.parametrize(
    ("count", "stored", "questions"),
    [
        pytest.param(1, "https://spark.example.com", 2, id="there"),
        # Not asked for: Airflow's worker would log an error of that.
        pytest.param(0, None, 1, id="not there"),
        pytest.param(3, None, 2, id="there for other map indexes only"),
    ],
)
def test_an_xcom_that_is_not_there_is_nothing_to_warn_of(
    capsys: pytest.CaptureFixture[str], count: int, stored: str | None, questions: int
) -> None:
    from airflow.sdk.execution_time.comms import GetXCom, GetXComCount, XComCountResponse, XComResult
    from airflow.sdk.execution_time.supervisor import set_supervisor_comms

    asked = []

    def send(question: Any) -> Any:
        asked.append(question)
        if isinstance(question, GetXComCount):
            return XComCountResponse(len=count)
        return XComResult(key=question.key, value=stored)

    where: dict[str, Any] = {"key": "spark_ui_url", "dag_id": "dag", "task_id": "task", "run_id": "manual__1"}
    with set_supervisor_comms(SimpleNamespace(send=send)):
        assert compat.pull_xcom(task_instance(2), "spark_ui_url") == stored
    assert asked == [GetXComCount(**where), GetXCom(map_index=2, **where)][:questions]
    assert "warning" not in "".join(capsys.readouterr())
