"""The operations for the organization, the user and costs."""

from __future__ import annotations

from typing import Any

from wherobots_local.api import vocabulary
from wherobots_local.api.account_requests import CostsRequest
from wherobots_local.api.validation import validated
from wherobots_local.files.sources import sources
from wherobots_local.http.operations import OperationTable, ReceivedCall
from wherobots_local.runs.run import utc_now
from wherobots_local.views.account_view import costs_view, me_view, organization_view, quotas_view


def _costs(call: ReceivedCall) -> dict[str, Any]:
    wanted = validated(CostsRequest, call.json)
    runs = ((run, call.service.knows_cost(run)) for run in call.service.registry.runs)
    return costs_view(wanted.kube_app_ids, runs, utc_now())


OPERATIONS: OperationTable = (
    ("GET", "/organization", vocabulary.GET_ORGANIZATION, lambda call: organization_view(sources(call.service.root))),
    ("GET", "/organization/quota/organization", vocabulary.LIST_QUOTAS, lambda _: quotas_view()),
    ("GET", "/users/me", vocabulary.GET_ME, lambda _: me_view()),
    ("POST", "/usage/costs", vocabulary.GET_COSTS, _costs),
)
