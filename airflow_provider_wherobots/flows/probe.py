"""Trying a connection with one cheap call, and saying what is wrong in words that help."""

from __future__ import annotations

from airflow_provider_wherobots.api.errors import (
    AnswerLostError,
    AuthenticationError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ProxySettingError,
    ResponseError,
    UnreadableAnswerError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Send

PROBE_SECONDS = 10.0
"""How long the whole of it may take."""
HTTPS_TO_HTTP = ("WRONG_VERSION_NUMBER", "record layer failure")
"""What OpenSSL says, by version, when a server answers in plain http."""


def probe(timeout_seconds: float = PROBE_SECONDS) -> Flow[tuple[bool, str]]:
    """List at most one run: needs the host, the key and the permission to use runs, and changes nothing.

    :param timeout_seconds: how long the call may take; it is not repeated.
    :returns: whether it worked, and what is wrong.
    """
    try:
        # Not `attempt`: what is tried is the key as given, in a connection that may have no name yet.
        yield Send(calls.list_runs(size=1), timeout_seconds)
    except WherobotsApiError as error:
        return False, f"{diagnose(error)}: {words.quoted(str(error).removeprefix(f'{error.operation}: '))}"
    return True, "The Runs API accepts the API key"


def diagnose(error: WherobotsApiError) -> str:
    """What an error means to someone who sets up a connection.

    :param error: how the call ended.
    """
    match error:
        case UntrustedServerError():
            return "The host's TLS certificate is not trusted"
        case ProxySettingError():
            return "The proxy that is set cannot be used"
        case NotSentError():
            if any(words in str(error) for words in HTTPS_TO_HTTP):
                return "The host speaks plain http where https was expected"
            return "The host cannot be reached"
        case AnswerLostError():
            return "The host was reached, but gave no answer"
        case AuthenticationError():
            return "The API key is refused"
        case PermissionDeniedError():
            return "The API key is valid, but may not use runs"
        case UnreadableAnswerError():
            return "This is not the Wherobots Runs API"
        case NotFoundError():
            return "There is no Wherobots Runs API at this address"
        case ResponseError(errors=()) if not error.transient:
            # Every error of the service has a body of its own form.
            return "This is not the Wherobots Runs API"
        case ResponseError():
            return "The service answers, but not with success"
    return "The call failed"
