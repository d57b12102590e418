"""``s3://`` addresses of uploaded files."""

from __future__ import annotations

import re

from airflow_provider_wherobots.api.errors import InvalidArgumentError

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
