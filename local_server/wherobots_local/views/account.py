"""The organization, its only user, quotas and costs, and storage sources and folders, in the published schemas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from wherobots_local.api.errors import DEFAULT_REGION, ORGANIZATION_ID, REGIONS, USER_ID
from wherobots_local.files.contents import FolderEntry, FolderPage
from wherobots_local.files.uploads import MANAGED_BUCKET, SHARED_FOLDER, Source
from wherobots_local.runs.run import LocalRun, timestamp
from wherobots_local.views.runs import SINCE

_EMAIL = "local@wherobots.invalid"


def organization_view(sources: Sequence[Source]) -> dict[str, Any]:
    """``Organization``."""
    return {
        "id": ORGANIZATION_ID,
        **SINCE,
        "name": "local",
        "plan": "PROFESSIONAL",
        "billingContact": None,
        "wherobotsCloudFeatures": ["SERVICE_PRINCIPALS", "STORAGE_INTEGRATION", "RUNS"],
        "users": [{"id": USER_ID, **SINCE, "email": _EMAIL, "name": "local", "roles": []}],
        "services": [],
        "roles": [],
        "storageIntegrations": [integration_view(source) for source in sources if not source.managed],
        "fileStore": {"id": "local0fstore00", **SINCE, "bucketName": MANAGED_BUCKET},
        "verified": True,
        "domain": None,
        "domainIsVerified": False,
        "samlSsoStatus": "INACTIVE",
        "defaultEnvironmentPresetId": None,
        "defaultEnvironmentOverridePresetId": None,
        "defaultRuntime": "tiny",
        "defaultRegion": DEFAULT_REGION,
        "deletedAt": None,
        "lastStateChange": None,
        "state": "ACTIVE",
        "workosOrganizationId": None,
        "allowedRegions": list(REGIONS),
    }


def me_view() -> dict[str, Any]:
    """``HumanPrincipal`` of the only user."""
    return {
        "id": USER_ID,
        **SINCE,
        "organizationId": ORGANIZATION_ID,
        "roles": [],
        "policies": [],
        "deletedAt": None,
        "email": _EMAIL,
    }


def quotas_view() -> dict[str, int]:
    """The quotas limit nothing."""
    return {
        "CPU": 1_000_000,
        "HUMAN_USER_COUNT": 1,
        "WORKLOAD_LIFETIME_HOUR": 24 * 365,
        "DISK_PER_NODE_GB": 1_000_000,
        "FOREIGN_CATALOG_COUNT": 0,
    }


def costs_view(app_ids: Iterable[str], runs: Iterable[LocalRun], now: datetime) -> dict[str, Any]:
    """``WorkloadCostsOutput``: costs are 0."""
    by_app = {run.app_id: run for run in runs}
    return {"costs": {app_id: _cost(app_id, by_app.get(app_id), now) for app_id in app_ids}}


def _cost(app_id: str, run: LocalRun | None, now: datetime) -> dict[str, Any]:
    if run is None:
        return {"kind": "unavailable", "kube_app_id": app_id, "reason": "not_found"}
    return {
        "kind": "available",
        "kube_app_id": app_id,
        "organization_id": ORGANIZATION_ID,
        "cost": "0.00",
        "currency": "USD",
        "spatial_units": "0.00",
        "status": "final" if run.completed_at else "live",
        "settled_at": timestamp(run.completed_at) if run.completed_at else None,
        "last_evaluated_at": timestamp(now),
    }


def source_view(source: Source) -> dict[str, Any]:
    """``StorageSource``."""
    return {
        **integration_view(source),
        "stackName": None,
        "type": "MANAGED" if source.managed else "INTEGRATION",
        "defaultDirectory": SHARED_FOLDER if source.managed else None,
        "readOnly": False,
        "cloudConnection": None,
    }


def integration_view(source: Source) -> dict[str, Any]:
    """``StorageIntegrationDetails``."""
    return {
        "id": source.id,
        **SINCE,
        "name": source.bucket,
        "path": source.path,
        "roleArn": None,
        "region": DEFAULT_REGION,
    }


def access_view(source: Source) -> dict[str, bool]:
    """``StorageIntegrationAccess``: everything is allowed."""
    return {"listAccess": True, "getAccess": True, "putAccess": True, "deleteAccess": True}


def listing_view(page: FolderPage, path: str, cursor: str | None) -> dict[str, Any]:
    """``DirectoryListingResult``."""
    return {
        "items": [_entry_view(entry, f"{path}/" if path else "") for entry in page.entries],
        "path": f"{path}/" if path else "",
        "name": path.rpartition("/")[2],
        "mutate_protected": not path,
        "upload_protected": False,
        "current_page": cursor,
        "next_page": page.next_cursor,
    }


def directory_view(page: FolderPage, key: str) -> dict[str, Any]:
    """``Directory``."""
    return {
        "name": key.rpartition("/")[2],
        "path": f"{key}/",
        "mutateProtected": "/" not in key,
        "uploadProtected": False,
        "files": [_entry_view(entry, f"{key}/") for entry in page.entries],
    }


def _entry_view(entry: FolderEntry, folder: str) -> dict[str, Any]:
    return {
        "name": entry.name,
        "path": f"{folder}{entry.name}{'/' if entry.is_folder else ''}",
        "type": "FOLDER" if entry.is_folder else "FILE",
        "lastModified": timestamp(entry.modified),
        "size": entry.size,
        "protected": False,
    }
