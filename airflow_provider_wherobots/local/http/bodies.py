"""Reading the bodies of requests."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from airflow_provider_wherobots.local.api.errors import ApiError, Problem

MAX_BODY_BYTES = 4 * 1024 * 1024

__all__ = ["MAX_BODY_BYTES", "ClientDisconnect", "decoded", "read_body"]


async def read_body(request: Request) -> bytes:
    """Read a body of at most 4 MiB.

    :param request: the request.
    :returns: the body.
    :raises ApiError: 413 if it is larger than 4 MiB.
    :raises ClientDisconnect: if the client disconnected before the end of the body.
    """
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


def decoded(body: bytes) -> Any:
    """Decode a JSON body.

    :param body: the body.
    :returns: the decoded value.
    :raises ApiError: 422 if it is not JSON in UTF-8.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(422, [Problem(f"the body is not JSON: {reason}", "body")]) from None


def _too_large() -> ApiError:
    return ApiError(413, f"the body is larger than the limit of {MAX_BODY_BYTES} bytes")
