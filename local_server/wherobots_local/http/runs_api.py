"""The six operations of the Runs REST API."""

from __future__ import annotations

from starlette.responses import Response

from wherobots_local.api import vocabulary
from wherobots_local.api.create_request import parse_create_request
from wherobots_local.api.queries import parse_list_query, parse_logs_query
from wherobots_local.http.answers import JsonAnswer
from wherobots_local.http.bodies import decoded_json
from wherobots_local.http.operations import Handler, ReceivedCall
from wherobots_local.runs.run import LocalRun


def _list(call: ReceivedCall) -> Response:
    query = parse_list_query(call.request.query_params.multi_items())
    return JsonAnswer(call.service.list_page(query))


def _create(call: ReceivedCall) -> Response:
    request = parse_create_request(decoded_json(call.request, call.body))
    run = call.service.create(request, call.request.query_params.get("region"))
    call.entry.run_id = run.id
    call.service.journal.took_effect(call.entry)
    return JsonAnswer(call.service.view(run), call.service.behaviour.create_status)


def _get(call: ReceivedCall) -> Response:
    return JsonAnswer(call.service.view(_run(call)))


def _cancel(call: ReceivedCall) -> Response:
    run = _run(call)
    if call.service.cancel(run):
        call.service.journal.took_effect(call.entry)
    return JsonAnswer(call.service.view(run))


def _logs(call: ReceivedCall) -> Response:
    run = _run(call)
    query = parse_logs_query(call.request.query_params.multi_items())
    return JsonAnswer(call.service.log_page(run, query))


def _metrics(call: ReceivedCall) -> Response:
    return JsonAnswer(call.service.metrics(_run(call)))


def _run(call: ReceivedCall) -> LocalRun:
    return call.service.registry.get(call.request.path_params["run_id"])


OPERATIONS: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/runs", vocabulary.LIST_RUNS, _list),
    ("POST", "/runs", vocabulary.CREATE_RUN, _create),
    ("GET", "/runs/{run_id}", vocabulary.GET_RUN, _get),
    ("POST", "/runs/{run_id}/cancel", vocabulary.CANCEL_RUN, _cancel),
    ("GET", "/runs/{run_id}/logs", vocabulary.GET_RUN_LOGS, _logs),
    ("GET", "/runs/{run_id}/metrics", vocabulary.GET_RUN_METRICS, _metrics),
)
"""Method, path, ``operationId`` and handler of each operation."""
