"""A file from a presigned URL, such as a stored result. No header of the API goes there."""

from __future__ import annotations

from typing import IO

import requests

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.storage.presigned import PresignedUrl, refusal
from airflow_provider_wherobots.api.transports.requests import Adapter, prepare_presigned

OPERATION = "getObject"
TIMEOUTS = (10.0, 60.0)
"""The most seconds to connect, and without a byte of the file. A large file may take long."""
PIECE_BYTES = 1024 * 1024
MAX_ERROR_BYTES = 10_000


def download(url: PresignedUrl, file: IO[bytes]) -> None:
    """Download a file once. Redirects are not followed. Errors show no part of the URL that is secret."""

    def prepare() -> requests.PreparedRequest:
        return prepare_presigned("GET", url, "airflow-provider-wherobots")

    def receive(response: requests.Response) -> WherobotsApiError | None:
        if response.status_code != 200:
            body = response.raw.read(MAX_ERROR_BYTES)
            return refusal(response.status_code, response.headers, body, OPERATION)
        for piece in response.iter_content(PIECE_BYTES):
            file.write(piece)
        return None

    adapter = Adapter()
    try:
        failed = adapter.exchange(OPERATION, url, prepare, receive, TIMEOUTS)
    finally:
        adapter.close()
    if failed is not None:
        raise failed
