"""An HTTP response, and how it becomes a model or a typed error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import UnreadableResponseError, error_from_response

T = TypeVar("T")

SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    redact: Callable[[str], str] = str
    address: str = "the host"


def read_response(call: Call[T], response: Response) -> T:
    """Turn the response to a call into its model. Any 2xx is a success: the service sends 201 where its older
    documentation has 200.
    """
    see_other = call.see_other if response.status == SEE_OTHER else None
    if see_other is None and not 200 <= response.status < 300:
        raise error_from_response(
            call.operation,
            response.status,
            response.headers,
            response.body,
            response.redact,
            address=response.address,
        )
    unreadable: UnreadableResponseError | None = None
    try:
        # The documentation shows no body for a cancel. Every other call's parser refuses None.
        if see_other is not None:
            model = see_other(response.headers)
        else:
            model = call.parse(json.loads(response.body) if response.body.strip() else None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        body = b"" if call.is_response_secret else response.body
        unreadable = UnreadableResponseError(
            call.operation, response.status, body, str(error), response.redact, address=response.address
        )
    if unreadable is not None:
        # Raised outside the except block: the parser's error may quote the key, and a traceback would show it.
        raise unreadable
    if call.date is None:
        return model
    # When the service sent it, by its own clock (RFC 9110, section 6.6.1).
    date = response.headers.get("Date")
    return model if date is None else call.date(model, date)
