"""The WebSocket of a SQL session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import cbor2
from starlette.routing import WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from wherobots_local.api.errors import OPEN_SQL_SOCKET, ORGANIZATION_ID, ApiError
from wherobots_local.api.requests import (
    CancelMessage,
    ExecuteMessage,
    ReceivedMessage,
    RetrieveMessage,
    parse_session_message,
)
from wherobots_local.control.faults import FaultTarget
from wherobots_local.control.journal import JournalEntry
from wherobots_local.http.faults import disturb_upgrade, require_key
from wherobots_local.http.messages import error_response, origin_of
from wherobots_local.http.protocol import connection_of
from wherobots_local.service import LocalService
from wherobots_local.sql.session import SOCKET_VERSION, LocalSqlSession
from wherobots_local.sql.stored import Frame, error_frame

_MOST_WAITING = 1000
"""A client that is this many messages behind gets no progress."""

_MOST_UNREAD = 32
_CLEAN = (1000, 1001)
"""The codes of a client that closes its connection on purpose."""
_PIECE_BYTES = 256 * 1024
_LONGEST_REASON = 100
"""A closing frame has room for 123 bytes."""


def sql_socket_route(service: LocalService) -> WebSocketRoute:
    return WebSocketRoute("/sql/{organization_id}/{session_id}/ws/{version}", _SqlSocketEndpoint(service))


class _SqlSocketEndpoint:
    def __init__(self, service: LocalService) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service
        socket = WebSocket(scope, receive, send)
        await service.settled()
        session_id = socket.path_params["session_id"]
        entry = JournalEntry(OPEN_SQL_SOCKET, "GET", socket.url.path, session_id=session_id)
        service.journal.record(entry)
        await receive()  # websocket.connect
        try:
            require_key(scope, service.api_key)
            fault = service.faults.take(FaultTarget(OPEN_SQL_SOCKET), time.monotonic())
            if fault is not None:
                entry.fault = fault.type
                opens, entry.status = await disturb_upgrade(fault, scope, receive, send)
                if not opens:
                    return
            session = self._session(socket)
        except ApiError as error:
            entry.status = error.status
            await error_response(error, scope)(scope, receive, send)
            return
        await send({"type": "websocket.accept"})
        entry.status = 101
        if fault is not None and fault.type in ("lose_answer", "truncate"):
            connection_of(scope).drop()
            return
        await SqlConnection(service, session, scope, send).serve(receive)

    def _session(self, socket: WebSocket) -> LocalSqlSession:
        wanted = socket.path_params
        if wanted["organization_id"] != ORGANIZATION_ID or wanted["version"] != SOCKET_VERSION:
            raise ApiError(404, f"the path {socket.url.path} does not exist")
        session = self._service.sql_sessions.get(wanted["session_id"])
        if session.has_ended:
            raise ApiError(404, f"the SQL session {session.id} has ended")
        if not session.is_ready:
            raise ApiError(503, f"the SQL session {session.id} is not ready yet")
        return session


class SqlConnection:
    """An open WebSocket: the listener of the executions that it began or took over."""

    def __init__(self, service: LocalService, session: LocalSqlSession, scope: Scope, send: Send) -> None:
        self.origin = origin_of(scope)
        self._service = service
        self._session = session
        self._scope = scope
        self._send = send
        self._waiting: asyncio.Queue[Frame | tuple[int, str]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_lost = self._has_ended = False
        self._unread = 0

    async def serve(self, receive: Receive) -> None:
        self._session.connect(self)
        self._task(self._write())
        event: Message = {}
        try:
            while (event := await receive())["type"] == "websocket.receive" and not self._is_lost:
                # Clients send only text. Bytes are ignored, like messages of an unknown kind.
                message = parse_session_message(event.get("text") or "")
                if message is not None:
                    self._receive(message)
        finally:
            self._has_ended = True
            self._session.disconnect(self, was_clean=event.get("code") in _CLEAN)
            for task in self._tasks:
                task.cancel()
            while not self._waiting.empty():
                waiting = self._waiting.get_nowait()
                if isinstance(waiting, Frame):
                    waiting.close()

    def post(self, frame: Frame) -> None:
        self._unread += frame.file is not None
        if self._unread > _MOST_UNREAD:
            # The client reads nothing, and its results would fill the disk.
            self._lose(reset=True)
        if self._is_lost or self._has_ended:
            frame.close()
        elif not frame.is_progress or self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put_nowait(frame)

    def close(self, code: int | None, reason: str) -> None:
        """Close with a closing frame after all posted messages, or at once without one."""
        if code is None:
            self._lose()
        else:
            self._waiting.put_nowait((code, reason))

    def _lose(self, *, reset: bool = False) -> None:
        """End the connection as if the network had failed. Messages that have arrived are not handled any more."""
        self._is_lost = True
        connection = connection_of(self._scope)
        (connection.reset if reset else connection.drop)()

    def _receive(self, received: ReceivedMessage) -> None:
        if self._service.sql_sessions.find(self._session.id) is None:
            # A reset has ended the session and emptied the journal.
            return
        message = received.message
        entry = JournalEntry(
            operation=received.operation,
            method="MESSAGE",
            path=self._scope["path"],
            session_id=self._session.id,
            execution_id=received.execution_id,
            statement=message.statement if isinstance(message, ExecuteMessage) else None,
        )
        self._service.journal.record(entry)
        if self._session.has_ended:
            # Its connections are being closed.
            return
        executions = self._session.executions
        match message:
            case None:
                self.post(error_frame(received.execution_id, received.problem))
                took_effect = False
            case ExecuteMessage() as request:
                took_effect = executions.execute(request, self)
            case CancelMessage() as request:
                took_effect = executions.cancel(request.execution_id, self)
            case RetrieveMessage() as request:
                self._task(executions.retrieve(request, self))
                took_effect = False
        if took_effect:
            self._service.journal.took_effect(entry)

    async def _write(self) -> None:
        # uvicorn raises an OSError if the client has gone.
        with contextlib.suppress(OSError):
            await self._write_all()

    async def _write_all(self) -> None:
        while True:
            waiting = await self._waiting.get()
            if not isinstance(waiting, Frame):
                code, reason = waiting
                await self._send({"type": "websocket.close", "code": code, "reason": reason[:_LONGEST_REASON]})
                return
            with contextlib.closing(waiting):
                await self._send(_encoded(waiting))
            self._unread -= waiting.file is not None

    def _task(self, work: Any) -> None:
        """Start a task that ends with the connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _encoded(frame: Frame) -> dict[str, Any]:
    """Encode a message: CBOR in a binary message if it has a result, else JSON in a text message."""
    if frame.file is None:
        return {"type": "websocket.send", "text": json.dumps(frame.content)}
    size = frame.file.seek(0, os.SEEK_END)
    frame.file.seek(0)
    results = {**frame.content["results"], "result_bytes": b""}
    # The bytes are last, so that they can follow from the file: their length replaces that of none.
    head = cbor2.dumps({**frame.content, "results": results})[:-1] + b"\x5b" + size.to_bytes(8, "big")
    return {"type": "websocket.send", "pieces": _pieces(head, frame.file)}


async def _pieces(head: bytes, file: BinaryIO) -> AsyncIterator[bytes]:
    piece = head
    while piece:
        yield piece
        piece = await asyncio.to_thread(file.read, _PIECE_BYTES)
