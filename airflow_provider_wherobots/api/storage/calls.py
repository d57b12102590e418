"""What an upload asks the API for: the organization's bucket, and a presigned URL.

Source: the service's OpenAPI description, tags "organization" and "files". Operation ids are taken from it.
"""

from __future__ import annotations

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.storage.address import SCHEME
from airflow_provider_wherobots.api.storage.models import Organization
from airflow_provider_wherobots.api.storage.presigned import PresignedUrl

MAX_ORGANIZATION_BYTES = 64_000_000
"""The response lists all users of the organization."""


def get_organization() -> Call[Organization]:
    """``GET /organization`` (getMyOrganization)."""
    return Call("getMyOrganization", "GET", "/organization", Organization.from_json, max_bytes=MAX_ORGANIZATION_BYTES)


def create_upload_url(address: str) -> Call[PresignedUrl]:
    """``POST /files/upload-url`` (createUploadUrl). It only makes a URL, so it is repeatable."""
    params = (("key", address.removeprefix(SCHEME)),)
    return Call("createUploadUrl", "POST", "/files/upload-url", PresignedUrl.from_json, params, is_response_secret=True)
