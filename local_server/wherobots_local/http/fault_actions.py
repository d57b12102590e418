"""Injects faults: wrong, late and missing responses."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from wherobots_local.api.errors import ApiError
from wherobots_local.control.faults import (
    FailRun,
    FaultAction,
    FaultTarget,
    Hang,
    HtmlResponse,
    Slow,
    StatusResponse,
    SuddenEnd,
)
from wherobots_local.control.journal import JournalEntry
from wherobots_local.http.protocol import connection_of
from wherobots_local.http.responses import error_response
from wherobots_local.service import LocalService

Handle = Callable[[], Awaitable[Response]]
"""Handles the request, and returns its regular response."""

_WITHOUT_BODY = (204, 205, 304)
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


async def respond(
    service: LocalService,
    entry: JournalEntry,
    target: FaultTarget,
    handle: Handle,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Respond to a request whose body was read, with the fault for it if there is one. Its entry gets fault and status.

    ``handle`` is called only without a fault, and for faults after the effect.
    """
    fault = service.faults.take(target, time.monotonic())
    entry.fault = None if fault is None else fault.type
    match fault:
        case None:
            response = await handle()
        case StatusResponse() | HtmlResponse():
            response = _false_response(fault, scope)
        case Slow():
            response = await handle()
            await asyncio.sleep(fault.seconds)
        case FailRun():
            response = await handle()
            if entry.run_id is not None:
                service.fail(entry.run_id, fault.message)
        case _:
            await _end(fault, handle, scope, receive, send)
            return
    entry.status = response.status_code
    await response(scope, receive, send)


async def disturb_upgrade(action: FaultAction, scope: Scope, receive: Receive, send: Send) -> tuple[bool, int | None]:
    """Inject a fault into the request for a WebSocket. Returns whether the socket opens all the same, and the status
    that was sent."""
    match action:
        case StatusResponse() | HtmlResponse():
            await _false_response(action, scope)(scope, receive, send)
            return False, action.status
        case Slow():
            await asyncio.sleep(action.seconds)
            return True, None
        case Hang():
            await _wait(action.seconds, receive)
            connection_of(scope).drop()
        case SuddenEnd(type="reset"):
            connection_of(scope).reset()
        case _:
            return True, None
    return False, None


async def _end(action: SuddenEnd | Hang, handle: Handle, scope: Scope, receive: Receive, send: Send) -> None:
    connection = connection_of(scope)
    if action.type == "truncate":
        await _truncate(await handle(), scope, receive, send)
    elif action.type == "reset":
        connection.reset()
    else:
        if isinstance(action, Hang):
            await _wait(action.seconds, receive)
        else:
            await handle()
        connection.drop()
    await _end_of_connection(receive)


def _false_response(action: StatusResponse | HtmlResponse, scope: Scope) -> Response:
    headers = dict(action.headers)
    if action.status in _WITHOUT_BODY:
        return Response(None, action.status, headers)
    if isinstance(action, HtmlResponse):
        return Response(_HTML.format(action.status), action.status, headers, "text/html")
    if "body" not in action.model_fields_set:
        response: Response = error_response(ApiError(action.status, "an injected fault"), scope)
        response.headers.update(headers)
        return response
    if action.body is None:
        return Response(b"", action.status, headers, action.content_type)
    if isinstance(action.body, str):
        text = action.body.encode("utf-8", errors="backslashreplace")
        return Response(text, action.status, headers, action.content_type or "text/plain")
    return Response(json.dumps(action.body), action.status, headers, action.content_type or "application/json")


async def _truncate(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    left = 0

    async def send_half(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            # The length is known here at the latest: the length of a file not earlier.
            left = int(Headers(raw=message["headers"]).get("content-length", "0")) // 2
        else:
            piece = message.get("body", b"")[:left]
            left -= len(piece)
            message = {**message, "body": piece, "more_body": True}
        await send(message)

    await response(scope, receive, send_half)
    connection_of(scope).close()


async def _wait(seconds: float, receive: Receive) -> None:
    """Wait for a time, or until the client disconnects."""
    try:
        async with asyncio.timeout(seconds):
            await _end_of_connection(receive)
    except TimeoutError:
        pass


async def _end_of_connection(receive: Receive) -> None:
    # uvicorn treats an application that returns without a response as broken.
    while not (await receive())["type"].endswith(".disconnect"):
        pass
