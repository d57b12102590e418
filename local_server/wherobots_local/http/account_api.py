"""The operations for the organization, the user and costs."""

from __future__ import annotations

from starlette.responses import Response

from wherobots_local.api import vocabulary
from wherobots_local.api.account_requests import CostsRequest
from wherobots_local.api.validation import validated
from wherobots_local.files.sources import sources
from wherobots_local.http.answers import JsonAnswer
from wherobots_local.http.bodies import decoded_json
from wherobots_local.http.operations import Handler, ReceivedCall
from wherobots_local.runs.run import utc_now
from wherobots_local.views.account_view import costs_view, me_view, organization_view, quotas_view


def _organization(call: ReceivedCall) -> Response:
    return JsonAnswer(organization_view(sources(call.service.root)))


def _quotas(call: ReceivedCall) -> Response:
    return JsonAnswer(quotas_view())


def _me(call: ReceivedCall) -> Response:
    return JsonAnswer(me_view())


def _costs(call: ReceivedCall) -> Response:
    wanted = validated(CostsRequest, decoded_json(call.request, call.body))
    runs = ((run, call.service.knows_cost(run)) for run in call.service.registry.runs)
    return JsonAnswer(costs_view(wanted.kube_app_ids, runs, utc_now()))


OPERATIONS: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/organization", vocabulary.GET_ORGANIZATION, _organization),
    ("GET", "/organization/quota/organization", vocabulary.LIST_QUOTAS, _quotas),
    ("GET", "/users/me", vocabulary.GET_ME, _me),
    ("POST", "/usage/costs", vocabulary.GET_COSTS, _costs),
)
"""Method, path, ``operationId`` and handler of each operation."""
