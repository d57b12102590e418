"""The triggerer's transport, on an ``aiohttp.ClientSession`` that many runs share."""

from __future__ import annotations

import aiohttp

from airflow_provider_wherobots.api.calls import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import AnswerLostError, NotSentError, UntrustedServerError
from airflow_provider_wherobots.api.response import Response


class AiohttpTransport:
    """Send calls over a session that somebody else owns and closes.

    :param endpoint: host and key; may be replaced between calls.
    :param session: the pooled session.
    """

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session

    async def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once.

        :param call: what to send.
        :param connect_timeout: seconds to get connected, once a place in the pool is free.
        :param read_timeout: seconds without a byte of the answer; with ``connect_timeout``, the most for the whole.
        :raises WherobotsApiError: when there is no whole answer; the subclass tells whether the request arrived.
        """
        endpoint = self.endpoint
        timeout = aiohttp.ClientTimeout(
            total=connect_timeout + read_timeout, sock_connect=connect_timeout, sock_read=read_timeout
        )
        try:
            async with self._session.request(
                call.method,
                endpoint.base_url + call.path,
                params=call.params,
                json=call.json,
                headers=endpoint.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                return Response(answer.status, answer.headers, endpoint.redact(await answer.read()))
        except aiohttp.ClientConnectorCertificateError as error:
            raise UntrustedServerError(call.operation, f"{endpoint.base_url}: {error}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError(call.operation, f"{endpoint.base_url}: {_words(error)}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AnswerLostError(call.operation, f"{endpoint.base_url}: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
