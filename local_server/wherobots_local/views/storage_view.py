"""Storage sources and folders in the published schemas."""

from __future__ import annotations

from typing import Any

from wherobots_local.api.vocabulary import DEFAULT_REGION
from wherobots_local.files.contents import FolderEntry, FolderPage
from wherobots_local.files.sources import SHARED_FOLDER, Source
from wherobots_local.runs.run import timestamp
from wherobots_local.views.run_view import SINCE


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
