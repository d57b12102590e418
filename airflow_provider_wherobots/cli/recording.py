"""A transport that keeps what was sent and answered, for the doctor."""

from __future__ import annotations

import json
import time
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.response import Response
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.doctor.transcript import Exchange


class RecordingTransport(RequestsTransport):
    """Sends calls and records each with its answer.

    :param endpoint: host and key. No header is recorded, so the key is not either.
    :param exchanges: takes the exchanges.
    """

    def __init__(self, endpoint: Endpoint, exchanges: list[Exchange]) -> None:
        super().__init__(endpoint)
        self._exchanges = exchanges

    def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once, and record it; see :meth:`RequestsTransport.send`."""
        at, began = time.time(), time.monotonic()
        response: Response | None = None
        try:
            response = super().send(call, connect_timeout, read_timeout)
        finally:
            self._exchanges.append(
                Exchange(
                    operation=call.operation,
                    path=call.path,
                    params=call.params,
                    sent=call.json,
                    at=at,
                    seconds=time.monotonic() - began,
                    status=None if response is None else response.status,
                    document=None if response is None else _decoded(response.body),
                    date=None if response is None else response.headers.get("Date"),
                )
            )
        return response


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
