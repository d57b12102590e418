"""Storage: ``s3://`` addresses, presigned URLs, and the requests of an upload.

The host behind a presigned URL responds with S3's XML, not with the API's ``ErrorBody``. A header that was not signed,
such as ``Content-Type``, makes the signature wrong.
Sources: "Uploading objects with presigned URLs" and "Error responses" in the documentation of Amazon S3, and the
service's OpenAPI description, tags "organization" and "files".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.call import Call, no_content
from airflow_provider_wherobots.api.endpoint import is_loopback
from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResponseError,
    ServerError,
    WherobotsApiError,
    parse_retry_after,
)

SCHEME = "s3://"
MAX_KEY_BYTES = 1024
"""The longest key of S3."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9!_.*'()=+@-]+")
"""What a segment of a key may contain: S3's safe characters, and some that work in every client."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]")


def checked_upload_to(argument: str, value: object) -> str:
    """Check the address of the folder that files are uploaded to.

    Returns the address without a slash at its end. Raises an ``InvalidArgumentError`` that names the argument, the
    value and the rule.
    """
    address = value.strip().rstrip("/") if isinstance(value, str) else ""
    if not address.startswith(SCHEME):
        raise InvalidArgumentError(f"{argument}={value!r}: must start with s3://bucket/")
    bucket, *segments = address.removeprefix(SCHEME).split("/")
    is_folder = all(_SEGMENT.fullmatch(segment) and segment not in (".", "..") for segment in segments)
    is_short = len(address) <= MAX_KEY_BYTES / 2
    if not (_BUCKET.fullmatch(bucket) and is_folder and is_short):
        raise InvalidArgumentError(
            f"{argument}={value!r}: must be like s3://bucket/folder, its names of letters, digits and !_.*'()=+@-, "
            f"and at most {MAX_KEY_BYTES // 2} characters in all"
        )
    return address


def address_of(upload_to: str, sha256: str, name: str) -> str:
    """The address of a file. The same content always has the same one, and other content has another."""
    return f"{upload_to}/{end_of_address(sha256, name)}"


def end_of_address(sha256: str, name: str) -> str:
    """The part of :func:`address_of` that the file itself determines."""
    return f"{sha256[:32]}/{safe_name(name)}"


def safe_name(name: str) -> str:
    """The name of a file in storage. What could not be part of every client's address becomes ``_``."""
    return _UNSAFE.sub("_", name)


MAX_UPLOAD_BYTES = 500 * 1024 * 1024
"""The largest file. All clients of the service have this limit."""
LEAST_BYTES_PER_SECOND = 200_000
"""An upload that is slower on average is given up."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")
_TRANSIENT_STATUSES = (408, 429)
_TRANSIENT_CODES = ("RequestTimeout", "SlowDown", "OperationAborted")


PUT_OBJECT: Call[object] = Call("putObject", "PUT", "", no_content, max_bytes=1_000_000)
"""The upload itself. It has no path of the API's: its URL is the presigned one."""


class Content(Protocol):
    """The bytes to upload."""

    @property
    def size(self) -> int:
        """How many there are."""

    def pieces(self) -> Iterator[bytes]:
        """Read them from their beginning. Blocks."""


class UnusableUrlError(WherobotsApiError):
    """The API returned something that files must not be sent to. The message does not contain it."""


@dataclass(frozen=True, slots=True)
class PresignedUrl:
    """A URL that allows one upload, or downloads. It is a secret: anyone who has it can use it."""

    value: str = field(repr=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PresignedUrl:
        """Read an ``UploadUrlResponse``."""
        return cls(str(data["uploadUrl"]))

    @property
    def origin(self) -> str:
        """Its scheme, host and port, for messages.

        Raises an ``UnusableUrlError`` if it is not https, or http to this machine, or if it holds a user.
        """
        problem = "is not a URL"
        try:
            parts = urlsplit(self.value)
            if "@" in parts.netloc:
                problem = "holds a user"
            elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
                problem = "is plain http to another machine"
            elif parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and self.value.isprintable():
                return f"{parts.scheme}://{parts.netloc}"
        except ValueError:
            pass
        raise UnusableUrlError(PUT_OBJECT.operation, f"the presigned URL from the API {problem}, so nothing was sent")

    def redact(self, text: str) -> str:
        """Remove the URL from a text."""
        base, _, query = self.value.partition("?")
        for part in (self.value, query, base):
            text = text.replace(part, "***") if part else text
        return text


def upload_seconds(size: int) -> float:
    """How long the transfer of a file may take in all, in seconds."""
    return size / LEAST_BYTES_PER_SECOND


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, operation: str = PUT_OBJECT.operation
) -> ResponseError | None:
    """The error in the response to an upload or download; None if it succeeded. It shows only S3's code of the body."""
    if 200 <= status < 300:
        return None
    found = _CODE.search(body)
    code = found[1].decode() if found else ""
    said = code or "no code of S3"
    kind: type[ResponseError] = BadRequestError
    if 300 <= status < 400:
        said = "the host redirects, and redirects are not followed"
    elif status >= 500 or status in _TRANSIENT_STATUSES or code in _TRANSIENT_CODES:
        kind = ServerError
    elif status in (401, 403):
        kind = PermissionDeniedError
    retry_after = parse_retry_after(headers.get("Retry-After"), datetime.now(UTC))
    error = kind(operation, status, retry_after=retry_after, excerpt=said)
    # Refused is the URL, which needs no key.
    error.key_may_change = False
    return error


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
