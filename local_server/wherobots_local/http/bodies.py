"""Reads the bodies of requests."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.requests import Request

from wherobots_local.api.errors import ApiError, Problem

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
