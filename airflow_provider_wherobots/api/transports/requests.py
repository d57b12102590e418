"""The worker's transport, on one ``requests.Session``."""

from __future__ import annotations

import re

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from airflow_provider_wherobots.api.calls import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import AnswerLostError, NotSentError, UntrustedServerError
from airflow_provider_wherobots.api.response import Response

_LAYERS = re.compile(r"^<?[\w.]*Connection(?:Pool)?[( ][^)>]*[)>]: | \((?:connect|read) timeout=[\d.]+\)$")
"""What urllib3 puts around its words: the connection they are about, and the timeout to the last decimal."""


class RequestsTransport:
    """Send calls over a session of its own.

    :param endpoint: host and key; may be replaced between calls.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session = requests.Session()
        # Without this a ~/.netrc entry for the host would add a second set of credentials.
        self._session.auth = lambda request: request

    def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once.

        :param call: what to send.
        :param connect_timeout: seconds to get connected.
        :param read_timeout: seconds without a byte of the answer.
        :raises WherobotsApiError: when there is no whole answer; the subclass tells whether the request arrived.
        """
        endpoint = self.endpoint
        try:
            answer = self._session.request(
                call.method,
                endpoint.base_url + call.path,
                params=call.params,
                json=call.json,
                headers=endpoint.headers,
                timeout=(connect_timeout, read_timeout),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise UntrustedServerError(call.operation, f"{endpoint.base_url}: {_words(error)}") from error
            raise AnswerLostError(call.operation, f"{endpoint.base_url}: {_words(error)}") from error
        except requests.exceptions.RequestException as error:
            kind = NotSentError if _never_connected(error) else AnswerLostError
            raise kind(call.operation, f"{endpoint.base_url}: {_words(error)}") from error
        return Response(answer.status_code, answer.headers, endpoint.redact(answer.content))

    def close(self) -> None:
        """Close the session's connections."""
        self._session.close()


def _words(error: requests.exceptions.RequestException) -> str:
    """What happened, without the libraries' layers around it: they repeat the host, and show objects."""
    cause = _cause(error)
    text = str(cause.args[-1] if isinstance(cause, Exception) and cause.args else cause or error)
    return _LAYERS.sub("", text)


def _cause(error: requests.exceptions.RequestException) -> object:
    cause = error.args[0] if error.args else None
    return cause.reason if isinstance(cause, MaxRetryError) else cause


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    cause = _cause(error)
    return isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(
        cause, NewConnectionError | ConnectTimeoutError
    )
