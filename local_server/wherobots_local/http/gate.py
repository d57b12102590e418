"""Checks the ``Host`` header and the API key of a request."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wherobots_local.api.errors import ApiError
from wherobots_local.http.responses import error_response
from wherobots_local.security import ApiKey, HostCheck


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
