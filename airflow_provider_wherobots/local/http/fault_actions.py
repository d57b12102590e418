"""Injecting faults: wrong answers, late answers, and no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airflow_provider_wherobots.local.api.errors import ApiError
from airflow_provider_wherobots.local.control.faults import FaultAction
from airflow_provider_wherobots.local.http.answers import error_answer
from airflow_provider_wherobots.local.http.protocol import connection_of

Handle = Callable[[], Awaitable[Response]]
"""Handles the request and returns its regular answer."""

_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


async def carry_out(action: FaultAction, handle: Handle, scope: Scope, receive: Receive, send: Send) -> int | None:
    """Inject a fault into a request.

    :param action: the fault.
    :param handle: handles the request; called only for faults that happen afterwards.
    :param scope: the ASGI scope of the request, its body read.
    :param receive: its ASGI channel.
    :param send: the ASGI channel of the answer.
    :returns: the status that was sent; None if no answer, or only a part of it, was sent.
    """
    answer = await handle() if action.handled else None
    if action.type == "slow" and answer is not None:
        await asyncio.sleep(action.seconds)
    elif action.type == "truncate" and answer is not None:
        await _truncate(answer, scope, send)
        await _end_of_connection(receive)
        return None
    elif action.type == "reset":
        connection_of(scope).reset()
        await _end_of_connection(receive)
        return None
    elif action.type in ("lose_answer", "hang"):
        if action.type == "hang":
            await _wait(action.seconds, receive)
        connection_of(scope).drop()
        await _end_of_connection(receive)
        return None
    else:
        answer = _false_answer(action, scope)
    await answer(scope, receive, send)
    return answer.status_code


def _false_answer(action: FaultAction, scope: Scope) -> Response:
    headers = dict(action.headers)
    if action.type == "html":
        return Response(_HTML.format(action.status), action.status, headers, "text/html")
    if action.default_body:
        answer: Response = error_answer(ApiError(action.status, "an injected fault"), scope)
        answer.headers.update(headers)
        return answer
    if action.body is None:
        return Response(b"", action.status, headers, action.content_type)
    if isinstance(action.body, str):
        return Response(action.body, action.status, headers, action.content_type or "text/plain")
    return Response(json.dumps(action.body), action.status, headers, action.content_type or "application/json")


async def _truncate(answer: Response, scope: Scope, send: Send) -> None:
    body = bytes(answer.body)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    connection_of(scope).close()


async def _wait(seconds: float, receive: Receive) -> None:
    """Wait for a time, or until the client disconnects."""
    try:
        async with asyncio.timeout(seconds):
            await _end_of_connection(receive)
    except TimeoutError:
        pass


async def _end_of_connection(receive: Receive) -> None:
    # uvicorn treats an application that returns without an answer as broken.
    while (await receive())["type"] != "http.disconnect":
        pass
