"""Waiting for room in a socket, on real sockets."""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_wherobots.io.event_loop import ROOM, size_of
from airflow_provider_wherobots.logs.records import MAX_RECORD_CHARS
from airflow_provider_wherobots.task_log import log_socket as module
from airflow_provider_wherobots.task_log.log_socket import LogSocket, log_socket

Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """What a triggerer writes to, and what its supervisor reads from."""
    writer, reader = socket.socketpair()
    with writer, reader:
        writer.setblocking(False)
        reader.setblocking(False)
        yield writer, reader


def fill(writer: socket.socket) -> int:
    """Write until the next write would block; return how many bytes were written."""
    written = 0
    try:
        while True:
            written += writer.send(b"x" * 250)
    except BlockingIOError:
        return written


def drain(reader: socket.socket) -> int:
    """Read everything; return how many bytes that were."""
    read = 0
    try:
        while some := reader.recv(65_536):
            read += len(some)
    except BlockingIOError:
        pass
    return read


@pytest.mark.skipif(sys.platform != "linux", reason="the sizes are those of Linux")
@pytest.mark.parametrize("character", ["a", "\u00e9", "\u6f22", "\U0001f600"])
@pytest.mark.parametrize("length", [0, 100, 1000, 3000, MAX_RECORD_CHARS])
def test_after_a_wait_room_can_be_written_without_blocking(sockets: Sockets, character: str, length: int) -> None:
    writer, reader = sockets
    text = character * length
    fields = {"timestamp": "2026-11-26T04:00:00.000000Z", "level": "info", "logger": "x" * 80, "filename": "wherobots"}
    record = json.dumps({**fields, "lineno": 0, "event": text}, ensure_ascii=False).encode() + b"\n"

    async def main() -> None:
        room = LogSocket(writer.fileno())
        for _ in range(20):
            # The supervisor reads no more than it must until the socket is writable.
            while not room.is_writable():
                reader.recv(len(record))
            await room.wait_for_room()
            left = ROOM
            while left > 0:
                assert writer.send(record) == len(record)
                left -= size_of(text)

    asyncio.run(main())


def test_the_event_loop_runs_while_triggers_wait_and_each_gets_its_turn(sockets: Sockets) -> None:
    writer, reader = sockets
    order: list[int] = []

    async def trigger(room: LogSocket, number: int) -> None:
        await room.wait_for_room()
        order.append(number)
        fill(writer)

    async def main() -> None:
        room = LogSocket(writer.fileno())
        fill(writer)
        waiting = [asyncio.create_task(trigger(room, number)) for number in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert order == []
        waiting[1].cancel()
        while not (waiting[0].done() and waiting[2].done()):
            drain(reader)
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert order == [0, 2]


def test_a_closed_socket_is_no_reason_to_wait(sockets: Sockets) -> None:
    writer, reader = sockets
    fill(writer)
    reader.close()
    asyncio.run(LogSocket(writer.fileno()).wait_for_room())


def test_all_loggers_of_one_socket_share_its_turns(sockets: Sockets, tmp_path: Path) -> None:
    async def main() -> None:
        first = log_socket(sockets[0].fileno())
        assert first is not None
        assert log_socket(sockets[0].fileno()) is first
        assert log_socket(sockets[1].fileno()) is not first
        with (tmp_path / "task.log").open("wb") as file:
            assert log_socket(file.fileno()) is None
        assert log_socket(file_descriptor_of_nothing) is None

    file_descriptor_of_nothing = 1_000_000
    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what was not read")
def test_what_nobody_reads_is_not_waited_for_without_end(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = sockets
    socket_of_log = LogSocket(writer.fileno())
    writer.send(b"a record\n")
    assert not socket_of_log.is_read()
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    asyncio.run(socket_of_log.wait_until_read())
    assert not socket_of_log.is_read()
    drain(reader)
    assert socket_of_log.is_read()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what was not read")
def test_one_waiter_looks_for_all_triggers(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = sockets
    looks = 0

    class Counted(LogSocket):
        def is_read(self) -> bool:
            nonlocal looks
            looks += 1
            return super().is_read()

    async def main() -> None:
        room = Counted(writer.fileno())
        waiting = [asyncio.create_task(room.wait_until_read()) for _ in range(500)]
        await asyncio.sleep(0)
        at_first = looks
        while looks < at_first + 20:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        waiting.pop().cancel()
        assert not any(one.done() for one in waiting)
        drain(reader)
        await asyncio.gather(*waiting)

    monkeypatch.setattr(module, "CHECK_SECONDS", 0.001)
    writer.send(b"a record\n")
    asyncio.run(main())
    # Once when each begins to wait.
    assert looks < 600


def test_a_socket_that_is_gone_is_no_reason_to_wait() -> None:
    writer, reader = socket.socketpair()
    socket_of_log = LogSocket(writer.fileno())
    with writer, reader:
        pass
    asyncio.run(socket_of_log.wait_until_read())
