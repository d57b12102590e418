"""Storage sources: managed storage, with a folder per user, and an integration for every other bucket."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from wherobots_local.api.errors import ApiError
from wherobots_local.api.vocabulary import ORGANIZATION_ID, USER_ID
from wherobots_local.files.contents import storage_errors
from wherobots_local.storage import SCHEME, is_bucket, place_of

MANAGED_BUCKET = "managed-storage"
SHARED_FOLDER = "data/shared"
"""The folder in managed storage for all users of the organization."""

_OWN_FOLDER = f"data/customer-{USER_ID}"
_USER_FILES = "user_files::"


@dataclass(frozen=True)
class Source:
    id: str
    bucket: str
    prefix: str = ""
    managed: bool = False

    @property
    def path(self) -> str:
        """Its ``s3://`` address, without a slash at the end."""
        return f"{SCHEME}{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def address(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path


MANAGED = Source("local0storage0", MANAGED_BUCKET, ORGANIZATION_ID, managed=True)
USER_FILES = Source("local0files000", MANAGED_BUCKET, f"{ORGANIZATION_ID}/{_OWN_FOLDER}", managed=True)
"""The files of the only user, the same in all regions."""


def sources(root: Path) -> list[Source]:
    with storage_errors(MANAGED.path):
        for folder in (SHARED_FOLDER, _OWN_FOLDER):
            place_of(root, MANAGED.address(folder)).mkdir(parents=True, exist_ok=True)
    names = sorted(entry.name for entry in root.iterdir() if is_bucket(entry.name) and entry.is_dir())
    return [
        MANAGED,
        *(Source(hashlib.sha256(name.encode()).hexdigest()[:14], name) for name in names if name != MANAGED_BUCKET),
    ]


def source(root: Path, source_id: str) -> Source:
    """Return a source by its id. ``user_files::`` with any region is the user's own files."""
    found = sources(root)
    if source_id.startswith(_USER_FILES) and source_id != _USER_FILES:
        return USER_FILES
    for known in found:
        if known.id == source_id:
            return known
    raise ApiError(404, f"there is no storage with the id {source_id!r}", "GET /storage lists the storage sources.")


def source_of_bucket(root: Path, bucket: str) -> Source:
    """Return the source of a bucket. The error begins as on the service, because clients search for that text."""
    for known in sources(root):
        if known.bucket == bucket:
            return known
    raise ApiError(400, f"No storage source found for bucket {bucket!r}", "A bucket is a folder under the root.")
