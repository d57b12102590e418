"""The control surface under ``/_control``: faults, switches, the requests that arrived, changes of runs and SQL."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import ListQuery, LogEndQuery, parse_query, validated
from wherobots_local.api.requests import parse_create_request
from wherobots_local.control.faults import Behaviour, patched
from wherobots_local.control.requests import (
    NewAnswer,
    NewLines,
    Reset,
    RunPatch,
    apply_run_patch,
    parse_new_key,
)
from wherobots_local.http.faults import require_key
from wherobots_local.http.messages import JsonResponse, decoded, error_response, origin_of, read_body
from wherobots_local.runs.run import LocalRun
from wherobots_local.service import LocalService
from wherobots_local.sql.synthetic import SyntheticAnswer
from wherobots_local.sql.view import controlled_session_view, session_view
from wherobots_local.views.runs import log_end, run_page, run_view

PREFIX = "/_control"


@dataclass(frozen=True)
class ControlCall:
    """A control call with its body."""

    service: LocalService
    request: Request
    body: bytes

    @property
    def json(self) -> Any:
        return decoded(self.body)

    @property
    def json_if_any(self) -> Any:
        """The body, which can be left out."""
        return decoded(self.body) if self.body else {}

    @property
    def run(self) -> LocalRun:
        return self.service.registry.get(self.request.path_params["run_id"])


ControlHandler = Callable[[ControlCall], Any]
"""Returns the JSON of the response, or an awaitable; raises ``ApiError`` for a wrong call."""


class _ControlEndpoint:
    def __init__(self, handler: ControlHandler, status: int, service: LocalService) -> None:
        self._handler = handler
        self._status = status
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            require_key(scope, self._service.api_key)
            body = await read_body(request)
            await self._service.settled()
            content = self._handler(ControlCall(self._service, request, body))
            response: Response = JsonResponse(
                await content if isinstance(content, Awaitable) else content, self._status
            )
        except ApiError as error:
            response = error_response(error, scope)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


def control_routes(service: LocalService) -> list[Route]:
    return [
        Route(f"{PREFIX}{path}", _ControlEndpoint(handler, status, service), methods=[method])
        for method, path, status, handler in _CALLS
    ]


def _patch_behaviour(call: ControlCall) -> dict[str, Any]:
    call.service.behaviour = patched(call.service.behaviour, call.json)
    return call.service.behaviour.model_dump()


def _faults(call: ControlCall) -> dict[str, Any]:
    return {"faults": call.service.faults.as_json()}


def _add_fault(call: ControlCall) -> dict[str, Any]:
    call.service.faults.add(call.json, time.monotonic())
    return _faults(call)


def _clear_faults(call: ControlCall) -> dict[str, Any]:
    call.service.faults.clear()
    return _faults(call)


def _requests(call: ControlCall) -> dict[str, Any]:
    return {"requests": call.service.journal.entries_as_json()}


def _clear_requests(call: ControlCall) -> dict[str, Any]:
    call.service.journal.clear()
    return _requests(call)


def _list_runs(call: ControlCall) -> dict[str, Any]:
    query = parse_query(ListQuery, call.request.query_params.multi_items())
    return run_page(call.service.registry.runs, query, Behaviour(), time.monotonic())


def _create_run(call: ControlCall) -> dict[str, Any]:
    region = call.request.query_params.get("region")
    return run_view(call.service.create(parse_create_request(call.json), region, synthetic=True))


def _patch_run(call: ControlCall) -> dict[str, Any]:
    run, patch = call.run, validated(RunPatch, call.json)
    if not run.synthetic and not patch.suits_a_process:
        raise ApiError(409, f"the run {run.id} has a process; only a synthetic run can be changed")
    apply_run_patch(run, patch)
    return run_view(run)


def _cancel_run(call: ControlCall) -> dict[str, Any]:
    call.service.runner.request_cancel(call.run)
    return run_view(call.run)


def _logs(call: ControlCall) -> dict[str, Any]:
    run, query = call.run, validated(LogEndQuery, dict(call.request.query_params))
    try:
        return log_end(run.log, query, Behaviour(), time.monotonic())
    except (OSError, LookupError) as error:
        raise ApiError(404, f"the log of the run {run.id} cannot be read: {error}") from None


def _insert_logs(call: ControlCall) -> dict[str, Any]:
    run, items, now = call.run, validated(NewLines, call.json).items, time.time_ns()
    run.log.insert_all([(now if item.timestamp is None else item.timestamp, item.raw) for item in items])
    return {"inserted": len(items)}


async def _reset(call: ControlCall) -> dict[str, Any]:
    await call.service.reset(storage=validated(Reset, call.json_if_any).storage)
    return {"api_key": call.service.api_key.value}


def _list_sessions(call: ControlCall) -> dict[str, Any]:
    # The status page requests this again and again, and the executions of all sessions may be many megabytes.
    view = session_view if "brief" in call.request.query_params else controlled_session_view
    origin = origin_of(call.request.scope)
    return {"sessions": [view(session, origin) for session in call.service.sql_sessions.all]}


def _session(call: ControlCall) -> dict[str, Any]:
    session = call.service.sql_sessions.get(call.request.path_params["session_id"])
    return controlled_session_view(session, origin_of(call.request.scope))


def _add_answer(call: ControlCall) -> dict[str, Any]:
    answer = validated(NewAnswer, call.json).model_dump()
    call.service.sql_answers.given.insert(0, (answer.pop("statement"), SyntheticAnswer(**answer)))
    return {"answers": len(call.service.sql_answers.given)}


_CALLS: tuple[tuple[str, str, int, ControlHandler], ...] = (
    ("GET", "/behaviour", 200, lambda call: call.service.behaviour.model_dump()),
    ("PATCH", "/behaviour", 200, _patch_behaviour),
    ("GET", "/faults", 200, _faults),
    ("POST", "/faults", 201, _add_fault),
    ("DELETE", "/faults", 200, _clear_faults),
    ("GET", "/requests", 200, _requests),
    ("DELETE", "/requests", 200, _clear_requests),
    ("GET", "/counts", 200, lambda call: call.service.journal.counts_as_json()),
    ("GET", "/runs", 200, _list_runs),
    ("POST", "/runs", 201, _create_run),
    ("GET", "/runs/{run_id}", 200, lambda call: run_view(call.run)),
    ("PATCH", "/runs/{run_id}", 200, _patch_run),
    ("POST", "/runs/{run_id}/cancel", 200, _cancel_run),
    ("GET", "/runs/{run_id}/logs", 200, _logs),
    ("POST", "/runs/{run_id}/logs", 201, _insert_logs),
    ("PUT", "/api-key", 200, lambda call: {"api_key": call.service.api_key.rotate(parse_new_key(call.json_if_any))}),
    ("POST", "/reset", 200, _reset),
    ("GET", "/sql/sessions", 200, _list_sessions),
    ("GET", "/sql/sessions/{session_id}", 200, _session),
    ("POST", "/sql/answers", 201, _add_answer),
)
"""Method, path, status and handler of each call."""
