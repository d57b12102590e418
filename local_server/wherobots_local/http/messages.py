"""Bodies of requests, responses, and errors in the published envelope."""

from __future__ import annotations

import json
import math
import secrets
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wherobots_local.api.errors import ApiError, Problem, error_body

MAX_BODY_BYTES = 4 * 1024 * 1024


async def read_body(request: Request) -> bytes:
    """Read a body. It is a 413 above 4 MiB, and a ``ClientDisconnect`` if the body is incomplete."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        pieces.append(piece)
    return b"".join(pieces)


def decoded_json(request: Request, body: bytes) -> Any:
    """Decode a body. It is a 422 if it is not declared as JSON."""
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        details = f"Content-Type is {given!r}, but must be application/json: the body is read as JSON only then"
        raise ApiError(422, [Problem(details, "body")], "Send the header Content-Type: application/json.")
    return decoded(body)


def decoded(body: bytes) -> Any:
    """Decode a body. It is a 422 if it is not JSON in UTF-8."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(422, [Problem(f"the body is not JSON: {reason}", "body")]) from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _too_large() -> ApiError:
    return ApiError(413, f"the body is larger than the limit of {MAX_BODY_BYTES} bytes")


REQUEST_ID_HEADER = "X-Request-Id"

_SCOPE_KEY = "wherobots_local.request_id"


class JsonResponse(Response):
    """A response in JSON. Lone surrogates are sent as escapes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", errors="backslashreplace")


class WithRequestId:
    """Gives each request an id, in a header of the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = f"req-{secrets.token_hex(12)}"
        scope[_SCOPE_KEY] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                header = (REQUEST_ID_HEADER.lower().encode(), request_id.encode())
                message = {**message, "headers": [*message.get("headers", []), header]}
            await send(message)

        await self._app(scope, receive, send_with_id)


def origin_of(scope: Scope) -> str:
    """Return scheme, host and port of this server as the client knows them. The ``Host`` header has been checked."""
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    return f"{scheme}://{Headers(scope=scope)['host']}"


def error_response(error: ApiError, scope: Scope) -> JsonResponse:
    body = error_body(error, path=scope["path"], request_id=scope[_SCOPE_KEY])
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JsonResponse(body, error.status, headers)


async def routing_error(request: Request, error: Exception) -> Response:
    """Send an unknown path or method in the published envelope."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    details = {
        404: f"the path {request.url.path} does not exist",
        405: f"the method {request.method} is not allowed for {request.url.path}",
    }.get(status, "the request cannot be handled")
    return error_response(ApiError(status, details), request.scope)
