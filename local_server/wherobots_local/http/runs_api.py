"""The six operations of the Runs REST API."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from wherobots_local.api import vocabulary
from wherobots_local.api.create_request import parse_create_request
from wherobots_local.api.queries import ListQuery, LogsQuery
from wherobots_local.http.operations import OperationTable, ReceivedCall
from wherobots_local.http.responses import JsonResponse
from wherobots_local.runs.run import LocalRun


def _create(call: ReceivedCall) -> Response:
    run = call.service.create(parse_create_request(call.json), call.request.query_params.get("region"))
    call.entry.run_id = run.id
    call.service.journal.took_effect(call.entry)
    return JsonResponse(call.service.view(run), call.service.behaviour.create_status)


def _cancel(call: ReceivedCall) -> dict[str, Any]:
    run = _run(call)
    if call.service.cancel(run):
        call.service.journal.took_effect(call.entry)
    return call.service.view(run)


def _logs(call: ReceivedCall) -> dict[str, Any]:
    return call.service.log_page(_run(call), call.query(LogsQuery))


def _run(call: ReceivedCall) -> LocalRun:
    return call.service.registry.get(call.request.path_params["run_id"])


OPERATIONS: OperationTable = (
    ("GET", "/runs", vocabulary.LIST_RUNS, lambda call: call.service.list_page(call.query(ListQuery))),
    ("POST", "/runs", vocabulary.CREATE_RUN, _create),
    ("GET", "/runs/{run_id}", vocabulary.GET_RUN, lambda call: call.service.view(_run(call))),
    ("POST", "/runs/{run_id}/cancel", vocabulary.CANCEL_RUN, _cancel),
    ("GET", "/runs/{run_id}/logs", vocabulary.GET_RUN_LOGS, _logs),
    ("GET", "/runs/{run_id}/metrics", vocabulary.GET_RUN_METRICS, lambda call: call.service.metrics(_run(call))),
)
