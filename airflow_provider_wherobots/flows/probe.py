"""Testing a connection with one cheap call, and saying what is wrong with it."""

from __future__ import annotations

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    ForeignResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PlainHttpError,
    ProxySettingError,
    ResponseError,
    ResponseLostError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Send

PROBE_SECONDS = 10.0
"""How long the whole test may take."""


def probe(timeout_seconds: float = PROBE_SECONDS) -> Flow[tuple[bool, str]]:
    """List at most one run: needs the host, the key and the permission to use runs, and changes nothing.

    The call is not repeated. Returns whether it worked, and a message that says so or what is wrong.
    """
    try:
        # Not `attempt`: the key is tested as given, and the connection may not be stored yet.
        yield Send(calls.list_runs(size=1), timeout_seconds)
    except WherobotsApiError as error:
        return False, f"{diagnose(error)}: {words.quoted(str(error).removeprefix(f'{error.operation}: '))}"
    return True, "The Runs API accepts the API key"


def diagnose(error: WherobotsApiError) -> str:
    """Say what an error means for the connection."""
    match error:
        case UntrustedServerError():
            return "The host's TLS certificate is not trusted"
        case ProxySettingError():
            return "The configured proxy cannot be used"
        case PlainHttpError():
            return "The host speaks plain http where https was expected"
        case NotSentError():
            return "The host cannot be reached"
        case ResponseLostError():
            return "The host was reached, but did not respond"
        case AuthenticationError():
            return "The API key is refused"
        case PermissionDeniedError():
            return "The API key is valid, but may not use runs"
        case UnreadableResponseError() | ForeignResponseError():
            return "This is not the Wherobots Runs API"
        case NotFoundError():
            return "There is no Wherobots Runs API at this address"
        case ResponseError(errors=()) if not error.transient:
            # Every error of the service has an ErrorBody.
            return "This is not the Wherobots Runs API"
        case ResponseError():
            return "The service responds with an error"
    return "The call failed"
