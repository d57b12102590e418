"""The status page at ``/``: one file without data. It reads runs and logs with calls under ``/_control``."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FILE = "status_page.html"
_FOR_PROGRAMS = """\
The Wherobots local server. Open this address in a browser to see the runs.
GET /runs lists them as JSON, with the API key in the header X-API-Key. GET /health needs no key.
"""


def status_page_route() -> Route:
    """Return the route of ``/``. A browser gets the page, and a program such as curl a few lines of text."""
    html = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": _policy(html),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Vary": "Accept",
    }

    async def answer(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return Response(html, media_type="text/html", headers=headers)
        return PlainTextResponse(_FOR_PROGRAMS, headers={"Vary": "Accept"})

    return Route("/", answer)


def _policy(html: str) -> str:
    """Allow the page's own script and style, by their hashes, and calls to this server. Nothing else."""
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
