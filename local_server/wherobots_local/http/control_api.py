"""The control surface under ``/_control``: tests inject faults here and read which requests arrived."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wherobots_local.api.create_request import parse_create_request
from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import LogEndQuery, parse_list_query
from wherobots_local.api.validation import validated
from wherobots_local.control.behaviour import Behaviour, patched
from wherobots_local.control.requests import NewLines, Reset, RunPatch, apply_run_patch, parse_new_key
from wherobots_local.http.answers import JsonAnswer, error_answer
from wherobots_local.http.bodies import decoded, read_body
from wherobots_local.http.gate import require_key
from wherobots_local.runs.run import LocalRun
from wherobots_local.service import LocalService
from wherobots_local.views.log_end import log_end
from wherobots_local.views.run_pages import run_page
from wherobots_local.views.run_view import run_view

PREFIX = "/_control"

ControlHandler = Callable[[LocalService, Request, bytes], Response | Awaitable[Response]]
"""Handles a call, with its body read; raises ``ApiError`` for one that is wrong."""


def control_routes(service: LocalService) -> list[Route]:
    return [
        Route(f"{PREFIX}{path}", ControlCall(handler, service), methods=[method])
        for method, path, handler in (
            ("GET", "/behaviour", _get_behaviour),
            ("PATCH", "/behaviour", _patch_behaviour),
            ("GET", "/faults", _get_faults),
            ("POST", "/faults", _add_fault),
            ("DELETE", "/faults", _clear_faults),
            ("GET", "/requests", _get_requests),
            ("DELETE", "/requests", _clear_requests),
            ("GET", "/counts", _get_counts),
            ("GET", "/runs", _list_runs),
            ("POST", "/runs", _create_run),
            ("GET", "/runs/{run_id}", _get_run),
            ("PATCH", "/runs/{run_id}", _patch_run),
            ("POST", "/runs/{run_id}/cancel", _cancel_run),
            ("GET", "/runs/{run_id}/logs", _get_logs),
            ("POST", "/runs/{run_id}/logs", _insert_logs),
            ("PUT", "/api-key", _rotate_key),
            ("POST", "/reset", _reset),
        )
    ]


class ControlCall:
    """The ASGI application of one control call."""

    def __init__(self, handler: ControlHandler, service: LocalService) -> None:
        self._handler = handler
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            require_key(scope, self._service.api_key)
            body = await read_body(request)
            await self._service.settled()
            answer = self._handler(self._service, request, body)
            if not isinstance(answer, Response):
                answer = await answer
        except ApiError as error:
            answer = error_answer(error, scope)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)


def _get_behaviour(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer(service.behaviour.model_dump())


def _patch_behaviour(service: LocalService, request: Request, body: bytes) -> Response:
    service.behaviour = patched(service.behaviour, decoded(body))
    return JsonAnswer(service.behaviour.model_dump())


def _get_faults(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer({"faults": service.faults.as_json()})


def _add_fault(service: LocalService, request: Request, body: bytes) -> Response:
    service.faults.add(decoded(body), time.monotonic())
    return JsonAnswer({"faults": service.faults.as_json()}, 201)


def _clear_faults(service: LocalService, request: Request, body: bytes) -> Response:
    service.faults.clear()
    return JsonAnswer({"faults": []})


def _get_requests(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer({"requests": service.journal.entries_as_json()})


def _clear_requests(service: LocalService, request: Request, body: bytes) -> Response:
    service.journal.clear()
    return JsonAnswer({"requests": []})


def _get_counts(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer(service.journal.counts_as_json())


def _list_runs(service: LocalService, request: Request, body: bytes) -> Response:
    query = parse_list_query(request.query_params.multi_items())
    return JsonAnswer(run_page(service.registry.runs, query, Behaviour(), time.monotonic()))


def _get_run(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer(run_view(_run(service, request)))


def _cancel_run(service: LocalService, request: Request, body: bytes) -> Response:
    run = _run(service, request)
    service.runner.request_cancel(run)
    return JsonAnswer(run_view(run))


def _get_logs(service: LocalService, request: Request, body: bytes) -> Response:
    run = _run(service, request)
    query = validated(LogEndQuery, dict(request.query_params))
    try:
        return JsonAnswer(log_end(run.log, query, Behaviour(), time.monotonic()))
    except (OSError, LookupError) as error:
        raise ApiError(404, f"the log of the run {run.id} cannot be read: {error}") from None


def _create_run(service: LocalService, request: Request, body: bytes) -> Response:
    wanted = parse_create_request(decoded(body))
    run = service.create(wanted, request.query_params.get("region"), synthetic=True)
    return JsonAnswer(service.view(run), 201)


def _patch_run(service: LocalService, request: Request, body: bytes) -> Response:
    run = _run(service, request)
    patch = validated(RunPatch, decoded(body))
    if not run.synthetic and not patch.suits_a_process:
        raise ApiError(409, f"the run {run.id} has a process; only a synthetic run can be changed")
    apply_run_patch(run, patch)
    return JsonAnswer(service.view(run))


def _insert_logs(service: LocalService, request: Request, body: bytes) -> Response:
    run = _run(service, request)
    items = validated(NewLines, decoded(body)).items
    now = time.time_ns()
    run.log.insert_all([(now if item.timestamp is None else item.timestamp, item.raw) for item in items])
    return JsonAnswer({"inserted": len(items)}, 201)


def _rotate_key(service: LocalService, request: Request, body: bytes) -> Response:
    return JsonAnswer({"api_key": service.api_key.rotate(parse_new_key(decoded(body) if body else {}))})


async def _reset(service: LocalService, request: Request, body: bytes) -> Response:
    wanted = validated(Reset, decoded(body) if body else {})
    await service.reset(storage=wanted.storage)
    return JsonAnswer({"api_key": service.api_key.value})


def _run(service: LocalService, request: Request) -> LocalRun:
    return service.registry.get(request.path_params["run_id"])
