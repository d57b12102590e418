"""A file from a presigned URL, such as a stored result. No header of the API goes there."""

from __future__ import annotations

from typing import IO

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_wherobots.api.errors import CaBundleError, ResponseLostError, WherobotsApiError
from airflow_provider_wherobots.api.storage.presigned import PresignedUrl, refusal
from airflow_provider_wherobots.api.transports.environment import UnusableCaBundleError, ca_bundle, proxy_for
from airflow_provider_wherobots.api.transports.requests import ProxyAdapter

OPERATION = "getObject"
TIMEOUTS = (10.0, 60.0)
"""The most seconds to connect, and without a byte of the file."""
PIECE_BYTES = 1024 * 1024
MAX_ERROR_BYTES = 10_000


def download(url: PresignedUrl, file: IO[bytes]) -> None:
    """Download a file once. Redirects are not followed. Errors show no part of the URL that is secret."""
    proxy = proxy_for(OPERATION, url.origin)
    request = requests.PreparedRequest()
    # Not quoted again: the URL would no longer fit its signature.
    request.method, request.url = "GET", url.value
    request.prepare_headers({"User-Agent": "airflow-provider-wherobots"})
    failed: WherobotsApiError | None = None
    adapter = ProxyAdapter()
    adapter.proxy = proxy
    try:
        with adapter.send(
            request,
            stream=True,
            timeout=TIMEOUTS,
            verify=ca_bundle() if url.value.startswith("https") else True,
            proxies={"all": proxy.url} if proxy else None,
        ) as response:
            if response.status_code == 200:
                for piece in response.iter_content(PIECE_BYTES):
                    file.write(piece)
            else:
                body = response.raw.read(MAX_ERROR_BYTES)
                failed = refusal(response.status_code, response.headers, body, OPERATION)
    except UnusableCaBundleError as error:
        failed = CaBundleError(OPERATION, str(error))
    except (requests.RequestException, HTTPError) as error:
        failed = ResponseLostError(OPERATION, f"{url.origin}: {url.redact(str(error))}")
    finally:
        adapter.close()
    # Raised outside the except block: the libraries' errors may show the URL.
    if failed is not None:
        raise failed
