"""The common steps of all API requests: key, journal, faults, errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import parse_query
from wherobots_local.api.validation import Model
from wherobots_local.control.faults import FaultTarget
from wherobots_local.control.journal import JournalEntry
from wherobots_local.http.bodies import decoded_json, read_body
from wherobots_local.http.fault_actions import respond
from wherobots_local.http.gate import require_key
from wherobots_local.http.responses import JsonResponse, error_response
from wherobots_local.service import LocalService

_log = logging.getLogger(__name__)


@dataclass
class ReceivedCall:
    """A request with its body."""

    service: LocalService
    request: Request
    body: bytes
    entry: JournalEntry

    @property
    def json(self) -> Any:
        return decoded_json(self.request, self.body)

    def query(self, parameters: type[Model]) -> Model:
        return parse_query(parameters, self.request.query_params.multi_items())


Handler = Callable[[ReceivedCall], Any]
"""Returns a ``Response``, or the JSON of one, without waiting for anything; raises ``ApiError`` for a wrong request."""
OperationTable = tuple[tuple[str, str, str, Handler], ...]
"""Method, path, ``operationId`` and handler."""


class Operation:
    def __init__(self, operation_id: str, handler: Handler, service: LocalService) -> None:
        self._operation_id = operation_id
        self._handler = handler
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self._service.settled()
        entry = JournalEntry(
            operation=self._operation_id,
            method=request.method,
            path=request.url.path,
            run_id=request.path_params.get("run_id"),
            session_id=request.path_params.get("session_id"),
        )
        journal = self._service.journal
        journal.record(entry)
        try:
            require_key(scope, self._service.api_key)
            # Only after the check: the journal keeps nothing large of requests without the key.
            entry.query = request.url.query
            body = await read_body(request)
        except ApiError as error:
            entry.status = error.status
            await error_response(error, scope)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        await self._service.settled()
        if self._service.journal is not journal:
            # The request began before a reset, and takes effect after it.
            self._service.journal.record(entry)
        entry.name = _run_name(body)

        async def handle() -> Response:
            return self._respond(ReceivedCall(self._service, request, body, entry))

        target = FaultTarget(self._operation_id, entry.run_id, entry.name, entry.session_id)
        await respond(self._service, entry, target, handle, scope, receive, send)

    def _respond(self, call: ReceivedCall) -> Response:
        try:
            response = self._handler(call)
            return response if isinstance(response, Response) else JsonResponse(response)
        except ApiError as error:
            return error_response(error, call.request.scope)
        except Exception:
            _log.exception("%s failed", self._operation_id)
            return error_response(ApiError(500, "internal error of the local server; see its log"), call.request.scope)


def _run_name(body: bytes) -> str | None:
    """Read the name of the run to create. The body is checked later."""
    with suppress(ValueError, RecursionError):
        decoded = json.loads(body)
        if isinstance(decoded, dict) and isinstance(decoded.get("name"), str):
            return str(decoded["name"])
    return None
