"""What each API request passes: the check of its ``Host`` header, key, journal and injected faults; errors."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import Model, parse_query
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
from wherobots_local.http.messages import JsonResponse, decoded_json, error_response, read_body
from wherobots_local.http.protocol import connection_of
from wherobots_local.security import ApiKey, HostCheck
from wherobots_local.service import LocalService

_log = logging.getLogger(__name__)


@dataclass
class ReceivedCall:
    """A request with its body."""

    service: LocalService
    request: Request
    body: bytes
    entry: JournalEntry

    @property
    def json(self) -> Any:
        return decoded_json(self.request, self.body)

    def query(self, parameters: type[Model]) -> Model:
        return parse_query(parameters, self.request.query_params.multi_items())


Handler = Callable[[ReceivedCall], Any]
"""Returns a ``Response``, or the JSON of one, without waiting for anything; raises ``ApiError`` for a wrong request."""
OperationTable = tuple[tuple[str, str, str, Handler], ...]
"""Method, path, ``operationId`` and handler."""


class Operation:
    def __init__(self, operation_id: str, handler: Handler, service: LocalService) -> None:
        self._operation_id = operation_id
        self._handler = handler
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self._service.settled()
        entry = JournalEntry(
            operation=self._operation_id,
            method=request.method,
            path=request.url.path,
            run_id=request.path_params.get("run_id"),
            session_id=request.path_params.get("session_id"),
        )
        journal = self._service.journal
        journal.record(entry)
        try:
            require_key(scope, self._service.api_key)
            # Only after the check: the journal keeps nothing large of requests without the key.
            entry.query = request.url.query
            body = await read_body(request)
        except ApiError as error:
            entry.status = error.status
            await error_response(error, scope)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        await self._service.settled()
        if self._service.journal is not journal:
            # The request began before a reset, and takes effect after it.
            self._service.journal.record(entry)
        entry.name = _run_name(body)

        async def handle() -> Response:
            return self._respond(ReceivedCall(self._service, request, body, entry))

        target = FaultTarget(self._operation_id, entry.run_id, entry.name)
        await respond(self._service, entry, target, handle, scope, receive, send)

    def _respond(self, call: ReceivedCall) -> Response:
        try:
            response = self._handler(call)
            return response if isinstance(response, Response) else JsonResponse(response)
        except ApiError as error:
            return error_response(error, call.request.scope)
        except Exception:
            _log.exception("%s failed", self._operation_id)
            return error_response(ApiError(500, "internal error of the local server; see its log"), call.request.scope)


def _run_name(body: bytes) -> str | None:
    """Read the name of the run to create. The body is checked later."""
    with suppress(ValueError, RecursionError):
        decoded = json.loads(body)
        if isinstance(decoded, dict) and isinstance(decoded.get("name"), str):
            return str(decoded["name"])
    return None


class HostGate:
    """Refuses requests for other hosts, which stops DNS rebinding."""

    def __init__(self, app: ASGIApp, hosts: HostCheck) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            host = Headers(scope=scope).get("host")
            if not self._hosts.admits(host, default_port=443 if scope["scheme"] in ("https", "wss") else 80):
                suggestion = (
                    f"The port must be {self._hosts.port}, where the server listens: publish or forward it as itself."
                    if self._hosts.names_server(host)
                    else "Use the address that the server printed when it started, or allow the name with --host-name."
                )
                error = ApiError(403, f"the Host header is {host!r}, which does not name this server", suggestion)
                await error_response(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def require_key(scope: Scope, key: ApiKey) -> None:
    """It is a 401 if the key is missing or wrong."""
    headers = Headers(scope=scope)
    if not key.admits(headers):
        given = "x-api-key" in headers or "authorization" in headers
        details = "the API key is not valid" if given else "no API key was sent"
        raise ApiError(401, details, "Send the key in the header X-API-Key, or as Authorization: Bearer.")


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
