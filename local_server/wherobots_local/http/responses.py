"""Responses, and errors in the published envelope."""

from __future__ import annotations

import json
import secrets
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wherobots_local.api.errors import ApiError, error_body

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
