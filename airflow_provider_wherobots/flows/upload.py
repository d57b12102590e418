"""Uploading files of the worker, each to an address that its content determines.

Two versions of a file never overwrite each other. If two tasks upload the same content at the same time, both write the
same bytes to the same address. An existing file is always replaced: others can write to the folder, and the API reports
no checksum of a file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api import storage as calls
from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.payload import Keys, value_at, with_values
from airflow_provider_wherobots.api.storage import PUT_OBJECT, SCHEME, address_of, end_of_address
from airflow_provider_wherobots.files import FileChangedError, FileSource, LocalFile
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, Outage, send, wait_out
from airflow_provider_wherobots.io.base import Io

SHARED_FOLDER = "data/shared"
"""The folder of managed storage into which all principals of the organization can write."""
OWN_FOLDER = "airflow-uploads"
MAX_NAMES = 5
"""How many names of left-out files the task log shows."""
MAX_READS = 3
"""How often a file that changes during its upload is read and uploaded again."""


class UploadFailedError(WherobotsApiError):
    says_what_failed = True

    def __init__(self, what: str, cause: WherobotsApiError, advice: str) -> None:
        text = f"{what} ({cause.reason})"
        super().__init__(cause.operation, f"{text}; {advice}" if advice and not cause.transient else text)
        self.transient, self.key_may_change = cause.transient, cause.key_may_change


class NoStorageError(WherobotsApiError):
    """The organization has no managed storage, and upload_to is not set."""

    says_what_failed = True


async def upload(
    io: Io, source: FileSource, upload_to: str | None, max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
) -> str:
    """Upload a file, without ``upload_to`` to the shared folder. Returns the ``s3://`` address. Raises an
    ``InvalidArgumentError`` if the file cannot be uploaded as it is.
    """
    addresses = await _upload_all(io, {(): source}, upload_to, max_outage_seconds)
    return addresses[()]


async def find_shared_folder(io: Io, max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS) -> str:
    """Find a folder for uploads in the organization's managed storage (``GET /organization``)."""
    name_it = "set upload_to, of the task or of the connection, to the S3 address of a folder for uploads"
    call = calls.get_organization()
    try:
        organization = await send(io, call, max_outage_seconds)
    except WherobotsApiError as error:
        raise UploadFailedError("The organization's storage could not be found", error, name_it) from error
    if organization.bucket is None:
        raise NoStorageError(call.operation, f"The organization has no managed storage; {name_it}")
    return f"{SCHEME}{organization.bucket}/{organization.id}/{SHARED_FOLDER}/{OWN_FOLDER}"


@dataclass(frozen=True, slots=True)
class FileUploads:
    """The files that a create body names by their paths on the worker.

    ``sources`` are the files by where their paths are in the body. Without ``upload_to`` they are uploaded to the
    shared folder.
    """

    sources: Mapping[Keys, FileSource]
    upload_to: str | None = None
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS

    async def upload(self, io: Io, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Upload the files. Returns the body with the address of each file in place of its path."""
        addresses = await _upload_all(io, self.sources, self.upload_to, self.max_outage_seconds)
        return with_values(payload, addresses)

    async def compare(self, io: Io, payload: Mapping[str, Any], echoed: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the files with the files of an existing run, without a request. Returns the body with the address
        from ``echoed`` in place of each path whose file is the same.
        """
        addresses: dict[Keys, str] = {}
        for keys, source in self.sources.items():
            try:
                file = await io.open_file(source)
            except InvalidArgumentError as error:
                await io.note(logging.WARNING, str(error))
                continue
            there = str(value_at(echoed, keys))
            if there.endswith(f"/{end_of_address(file.sha256, file.name)}"):
                addresses[keys] = there
        return with_values(payload, addresses)


NO_UPLOADS = FileUploads({})


async def _upload_all(
    io: Io, sources: Mapping[Keys, FileSource], upload_to: str | None, max_outage_seconds: float
) -> dict[Keys, str]:
    files: dict[Keys, LocalFile] = {}
    # Before anything is sent: if one of the files is wrong, none is uploaded.
    for keys, source in sources.items():
        files[keys] = await io.open_file(source)
    if upload_to is None and files:
        upload_to = await find_shared_folder(io, max_outage_seconds)
    addresses: dict[Keys, str] = {}
    for keys, file in files.items():
        addresses[keys] = await _upload(io, file, str(upload_to), max_outage_seconds)
    return addresses


async def _upload(io: Io, file: LocalFile, upload_to: str, max_outage_seconds: float) -> str:
    source = file.source
    for reads_left in reversed(range(MAX_READS)):
        address = address_of(upload_to, file.sha256, file.name)
        try:
            await _transfer(io, file, address, max_outage_seconds)
        except FileChangedError as error:
            if reads_left:
                await io.note(logging.WARNING, f"{error}; reading it again")
                file = await io.open_file(source)
        except WherobotsApiError as error:
            raise UploadFailedError(
                f"{source.given} could not be uploaded to {address}", error, _advice(error)
            ) from error
        else:
            await io.note(logging.INFO, f"Uploaded {source.given} to {address} ({words.size(file.size)})")
            if file.left_out:
                more = len(file.left_out) - MAX_NAMES
                names = ", ".join(file.left_out[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
                await io.note(
                    logging.INFO, f"Left out of {source.given}, because their names begin with a dot: {names}"
                )
            return address
    raise InvalidArgumentError(f"{source}: kept changing while it was uploaded; retry once it no longer changes")


async def _transfer(io: Io, file: LocalFile, address: str, max_outage_seconds: float) -> None:
    outage, is_refused = Outage(max_outage_seconds), False
    while True:
        try:
            # A new one each time: it is not documented how long a URL works.
            url = await io.send(calls.create_upload_url(address))
            await io.upload(url, file)
            return
        except WherobotsApiError as error:
            if isinstance(error, PermissionDeniedError) and error.operation == PUT_OBJECT.operation and not is_refused:
                is_refused = True
                await io.note(logging.WARNING, f"{error}; retrying with a new URL")
            else:
                await wait_out(io, outage, error)


def _advice(error: WherobotsApiError) -> str:
    if isinstance(error, PermissionDeniedError):
        return "the API key must be allowed to write there; upload_to can name another folder"
    if isinstance(error, NotFoundError) or (isinstance(error, BadRequestError) and "storage" in str(error).lower()):
        return (
            "upload_to must be a folder in the organization's managed storage, or in a bucket that is one of its "
            "storage integrations"
        )
    return ""
