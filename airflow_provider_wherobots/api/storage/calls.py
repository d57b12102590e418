"""The requests of an upload to the API: the organization's bucket, and a presigned URL.

Source: the service's OpenAPI description, tags "organization" and "files". Operation ids are taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.storage.address import SCHEME
from airflow_provider_wherobots.api.storage.presigned import PresignedUrl

MAX_ORGANIZATION_BYTES = 64_000_000
"""The response lists all users of the organization."""


@dataclass(frozen=True, slots=True)
class Organization:
    """The organization that the API key belongs to. ``bucket`` has no ``s3://``; None without managed storage."""

    id: str
    bucket: str | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Organization:
        """Read an ``Organization``."""
        store = data.get("fileStore")
        name = store.get("bucketName") if isinstance(store, Mapping) else None
        # Some responses have an address in place of the name.
        bucket = name.removeprefix(SCHEME).strip("/") if isinstance(name, str) else ""
        return cls(str(data["id"]), bucket or None)


def get_organization() -> Call[Organization]:
    """``GET /organization`` (getMyOrganization)."""
    return Call("getMyOrganization", "GET", "/organization", Organization.from_json, max_bytes=MAX_ORGANIZATION_BYTES)


def create_upload_url(address: str) -> Call[PresignedUrl]:
    """``POST /files/upload-url`` (createUploadUrl). It only makes a URL, so it is repeatable."""
    params = (("key", address.removeprefix(SCHEME)),)
    return Call("createUploadUrl", "POST", "/files/upload-url", PresignedUrl.from_json, params, is_response_secret=True)
