"""The status page: one file without data. It reads runs, logs and SQL sessions under ``/_control``."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

_FILE = "status_page.html"
_FOR_PROGRAMS = """\
The Wherobots local server. Open this address in a browser to see the runs.
GET /runs lists them as JSON, with the API key in the header X-API-Key. GET /health needs no key.
"""
_ADDRESSES = (
    "/runs",
    "/runs/{run_id}",
    "/runs/{run_id}/logs",
    "/sql/sessions",
    "/sql/session/{session_id}",
    # Where the service's web console lists SQL sessions: clients make this address from the API's.
    "/workloads",
)
"""Further addresses of the page for browsers. The page reads from its address what to show."""


class _BrowserRoute(Route):
    """A route for browsers only. Other clients get the API."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is Match.FULL and scope["method"] == "GET" and _is_of_a_browser(Headers(scope=scope)):
            return match, child
        return Match.NONE, {}


def status_page_routes() -> list[Route]:
    """Return the routes of the page. At ``/`` a program such as curl gets a few lines of text."""
    html = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": _policy(html),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Vary": "Accept",
    }

    async def page(_: Request) -> Response:
        return Response(html, media_type="text/html", headers=headers)

    async def root(request: Request) -> Response:
        if _accepts_html(request.headers):
            return await page(request)
        return PlainTextResponse(_FOR_PROGRAMS, headers={"Vary": "Accept"})

    return [Route("/", root), *(_BrowserRoute(path, page) for path in _ADDRESSES)]


def _accepts_html(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "").lower()


def _is_of_a_browser(headers: Headers) -> bool:
    """Return whether a browser sent the request: it sends no key, unlike a client of the API."""
    return _accepts_html(headers) and "x-api-key" not in headers and "authorization" not in headers


def _policy(html: str) -> str:
    """Allow only the page's own script and style, by their hashes, and calls to this server."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(html, 'script')}",
            f"style-src {_hash(html, 'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hash(html: str, element: str) -> str:
    (content,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
