"""Testing a connection with one cheap call, and explaining what is wrong with it."""

from __future__ import annotations

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    ForeignResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ProxySettingError,
    ResponseError,
    ResponseLostError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.io.base import Io

PROBE_SECONDS = 10.0
"""How long the whole test may take."""
OTHER_SERVICE = "This is not the Wherobots Runs API"
_MEANINGS: tuple[tuple[type[WherobotsApiError], str], ...] = (
    (UntrustedServerError, "The host's TLS certificate is not trusted"),
    (ProxySettingError, "The configured proxy cannot be used"),
    (NotSentError, "The host cannot be reached"),
    (ResponseLostError, "The host was reached, but did not respond"),
    (AuthenticationError, "The API key is refused"),
    (PermissionDeniedError, "The API key is valid, but may not use runs"),
    (UnreadableResponseError, OTHER_SERVICE),
    (ForeignResponseError, OTHER_SERVICE),
    (NotFoundError, "There is no Wherobots Runs API at this address"),
    (ResponseError, "The service responds with an error"),
    (WherobotsApiError, "The call failed"),
)
"""What each error means for the connection; the first kind that fits counts."""


async def probe(io: Io, timeout_seconds: float = PROBE_SECONDS) -> tuple[bool, str]:
    """List at most one run: needs the host, the key and the permission to use runs, and changes nothing.

    The call is not repeated. Returns whether it worked, and a message.
    """
    try:
        # Not `send`: the key is tested as given, and the connection may not be stored yet.
        await io.send_once(calls.list_runs(size=1), timeout_seconds)
    except WherobotsApiError as error:
        return False, f"{diagnose(error)}: {error.reason}"
    return True, "The Runs API accepts the API key"


def diagnose(error: WherobotsApiError) -> str:
    kind, text = next((kind, text) for kind, text in _MEANINGS if isinstance(error, kind))
    # Every error of the service has an ErrorBody.
    is_bare = kind is ResponseError and isinstance(error, ResponseError) and not error.errors and not error.transient
    return OTHER_SERVICE if is_bare else text
