"""The operations for runs, and for the organization, the user and costs."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from wherobots_local.api.queries import ListQuery, LogsQuery, validated
from wherobots_local.api.requests import CostsRequest, parse_create_request
from wherobots_local.files.uploads import sources
from wherobots_local.http.faults import OperationTable, ReceivedCall
from wherobots_local.http.messages import JsonResponse
from wherobots_local.runs.run import LocalRun, utc_now
from wherobots_local.views.account import costs_view, me_view, organization_view, quotas_view
from wherobots_local.views.runs import metrics_view, run_view


def _create(call: ReceivedCall) -> Response:
    run = call.service.create(parse_create_request(call.json), call.request.query_params.get("region"))
    call.entry.run_id = run.id
    call.service.journal.took_effect(call.entry)
    return JsonResponse(run_view(run), 201)


def _cancel(call: ReceivedCall) -> dict[str, Any]:
    run = _run(call)
    if call.service.cancel(run):
        call.service.journal.took_effect(call.entry)
    return run_view(run)


def _logs(call: ReceivedCall) -> dict[str, Any]:
    return call.service.log_page(_run(call), call.query(LogsQuery))


def _run(call: ReceivedCall) -> LocalRun:
    return call.service.registry.get(call.request.path_params["run_id"])


def _costs(call: ReceivedCall) -> dict[str, Any]:
    wanted = validated(CostsRequest, call.json)
    return costs_view(wanted.kube_app_ids, call.service.registry.runs, utc_now())


OPERATIONS: OperationTable = (
    ("GET", "/runs", "listJobRuns", lambda call: call.service.list_page(call.query(ListQuery))),
    ("POST", "/runs", "createJobRun", _create),
    ("GET", "/runs/{run_id}", "getJobRun", lambda call: run_view(_run(call))),
    ("POST", "/runs/{run_id}/cancel", "cancelJobRun", _cancel),
    ("GET", "/runs/{run_id}/logs", "getJobRunLogs", _logs),
    ("GET", "/runs/{run_id}/metrics", "getJobRunMetrics", lambda call: metrics_view(_run(call))),
    ("GET", "/organization", "getMyOrganization", lambda call: organization_view(sources(call.service.root))),
    ("GET", "/organization/quota/organization", "listQuotas", lambda _: quotas_view()),
    ("GET", "/users/me", "getMe", lambda _: me_view()),
    ("POST", "/usage/costs", "getWorkloadCosts", _costs),
)
