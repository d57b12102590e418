"""The typed errors of a failed call, and the one place that classifies failures.

A caller decides by three attributes, which each error has:

* ``transient``: may the same call succeed later, with nothing changed?
* ``key_may_change``: was the API key refused, and may the connection have another one soon?
* ``arrival``: did the service act on the request? Only ``NOT_ARRIVED`` makes repeating a create safe.

Source: ``ErrorBody`` and ``ErrorInfo`` in the OpenAPI description; RFC 9110 for ``Retry-After`` and the status classes.
"""

from __future__ import annotations

import copyreg
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from airflow_provider_wherobots.words import make_safe, quoted

MAX_BODY_EXCERPT = 500
"""How many characters a message shows of a body that is not an ``ErrorBody``."""


class InvalidArgumentError(ValueError):
    """An argument breaks a rule; nothing was sent. The message names the argument, the value and the rule."""


class Arrival(Enum):
    """Whether a failed request took effect, as far as known."""

    NOT_ARRIVED = "the service did not act on it"
    UNCLEAR = "the service may have acted on it"
    REFUSED = "the service understood and refused it"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """One entry of an ``ErrorBody``; any part may be empty.

    :param code: ``ErrorClass``.
    :param message: what went wrong.
    :param details: further details.
    :param suggestion: what to do.
    :param field: the request field at fault.
    """

    code: str = ""
    message: str = ""
    details: str = ""
    suggestion: str = ""
    field: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any], redact: Callable[[str], str] = str) -> ErrorInfo:
        """Read an ``ErrorInfo``."""
        return cls(*(redact(str(data.get(key) or "")) for key in ("code", "message", "details", "suggestion", "field")))

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.message, self.details) if part) or self.code or "no message"
        text = f"{text.rstrip('.')}. {self.suggestion}".strip() if self.suggestion else text
        return f"{text} (field: {self.field})" if self.field else text


def reduced(error: BaseException) -> tuple[Any, ...]:
    """How pickle and copy make an exception again, without its constructor, which takes more than the text."""
    return copyreg.__newobj__, (type(error), *error.args), vars(error)  # type: ignore[attr-defined]


_WHAT_FAILED: Mapping[str, str] = {
    "createJobRun": "Creating the run failed",
    "getJobRun": "Reading the run failed",
    "cancelJobRun": "Cancelling the run failed",
    "listJobRuns": "Listing runs failed",
    "getJobRunLogs": "Reading the log failed",
    "getJobRunMetrics": "Reading the run's metrics failed",
    "getMyOrganization": "Reading the organization failed",
    "listIntegration": "Listing storage failed",
    "createUploadUrl": "Uploading the file failed",
    "putObject": "Uploading the file failed",
    "createSqlSession": "Starting a SQL session failed",
    "getSqlSession": "Reading the SQL session failed",
    "deleteSqlSession": "Stopping the SQL session failed",
    "connectSqlSession": "Connecting to the SQL session failed",
    "sqlSession": "The connection to the SQL session failed",
}
"""What an error says has failed, by operation id."""


class WherobotsApiError(Exception):
    """A call to the Runs API failed.

    :param operation: operation id of the call.
    :param text: what happened.
    """

    __reduce__ = reduced
    transient: bool = False
    key_may_change: bool = False
    arrival: Arrival = Arrival.UNCLEAR
    retry_after: float | None = None

    says_what_failed: bool = False
    """Whether the text is the whole message, ours. If not, the message begins with what failed, and the rest may be the
    service's words: any characters, at any length.
    """

    def __init__(self, operation: str, text: str) -> None:
        self.operation = operation
        super().__init__(make_safe(text) if self.says_what_failed else quoted(f"{self._what_failed}: {text}"))

    @property
    def _what_failed(self) -> str:
        return _WHAT_FAILED.get(self.operation, self.operation)

    @property
    def reason(self) -> str:
        """The message without what failed, for a sentence that says so itself."""
        return str(self).removeprefix(f"{self._what_failed}: ")


class NotSentError(WherobotsApiError):
    """No connection to the host could be made, TLS and a proxy's tunnel included, so nothing was sent."""

    transient = True
    arrival = Arrival.NOT_ARRIVED


class UntrustedServerError(WherobotsApiError):
    """The server's TLS certificate could not be verified; nothing was sent."""

    arrival = Arrival.NOT_ARRIVED


class PlainHttpError(WherobotsApiError):
    """The host, or its proxy, responded to TLS in plain http; nothing was sent.

    :param operation: operation id of the call.
    :param text: what was called, and the TLS error.
    """

    arrival = Arrival.NOT_ARRIVED

    def __init__(self, operation: str, text: str) -> None:
        hint = (
            "this port speaks plain http; correct the port, or put http:// before the host of a local server or a proxy"
        )
        super().__init__(operation, f"{text}; {hint}")


class ProxySettingError(WherobotsApiError):
    """The environment names a proxy that cannot be used; nothing was sent."""

    arrival = Arrival.NOT_ARRIVED


class CaBundleError(WherobotsApiError):
    """The environment names a CA bundle that cannot be used; nothing was sent."""

    arrival = Arrival.NOT_ARRIVED


class ConnectionLostError(WherobotsApiError):
    """The WebSocket to a SQL session broke, or was closed. What was written may not have arrived."""

    transient = True


class NotWrittenError(ConnectionLostError):
    """The WebSocket was no longer open, so nothing of the message was written."""

    arrival = Arrival.NOT_ARRIVED


class ResponseLostError(WherobotsApiError):
    """The request was sent, but no complete response came back: timeout, reset or truncated body."""

    transient = True


class ResponseTooLargeError(WherobotsApiError):
    """The response body is over its limit, or never ends; the rest was not read.

    :param operation: operation id of the call.
    :param limit: the limit in bytes.
    """

    transient = True

    def __init__(self, operation: str, limit: int) -> None:
        super().__init__(operation, f"the response is larger than {limit:,} bytes, the limit for this call")


class UnreadableResponseError(WherobotsApiError):
    """A success whose body is not the endpoint's JSON, such as a gateway's or a login page's.

    :param operation: operation id of the call.
    :param status: HTTP status code.
    :param body: the undecoded body.
    :param cause: what is wrong with the body.
    :param redact: removes secrets from a text; default removes none.
    :param address: what was called, for the message; default None, it is not named.
    """

    transient = True

    def __init__(
        self,
        operation: str,
        status: int,
        body: bytes,
        cause: str,
        redact: Callable[[str], str] = str,
        *,
        address: str | None = None,
    ) -> None:
        shown = f"; body: {_excerpt(body, redact)}" if body else ""
        hint = f"; {_suspect(address)}" if address else ""
        text = f"the response ({status}) does not match the API's format: {redact(cause)}{shown}{hint}"
        super().__init__(operation, text)


class ResponseError(WherobotsApiError):
    """The service responded with an error status.

    :param operation: operation id of the call.
    :param status: HTTP status code.
    :param errors: the entries of its ``ErrorBody``; empty if the body is something else.
    :param request_id: the service's id of the request, to quote to its support; or None.
    :param retry_after: the wait that the service requests, in seconds, or None.
    :param excerpt: the beginning of a body that is not an ``ErrorBody``.
    :param hint: what is probably wrong; may be empty.
    :param text: the whole message; default empty, it is made of the other parts.
    """

    arrival = Arrival.REFUSED

    def __init__(
        self,
        operation: str,
        status: int,
        errors: tuple[ErrorInfo, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
        excerpt: str = "",
        hint: str = "",
        *,
        text: str = "",
    ) -> None:
        self.status = status
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        said = "; ".join(str(error) for error in errors) or excerpt or "no body"
        code = f" {errors[0].code}" if errors and errors[0].code else ""
        self.said = f"{status}{code}: {said}" + (f" [request id: {request_id}]" if request_id else "")
        self.says_what_failed = bool(text)
        super().__init__(operation, text or (f"{self.said}; {hint}" if hint else self.said))


class BadRequestError(ResponseError):
    """400, 413, 422 and other 4xx: the request itself is wrong."""


class AuthenticationError(ResponseError):
    """401: the API key is missing, wrong or no longer valid."""

    key_may_change = True


class PermissionDeniedError(ResponseError):
    """403: the key is not allowed to do this, or the organization's plan does not include it."""

    key_may_change = True


REFUSED_KEY = AuthenticationError, PermissionDeniedError
"""The key may have been replaced, in the connection too."""


class NotFoundError(ResponseError):
    """404: no such run."""


class ConflictError(ResponseError):
    """409: not possible in the current state, such as cancelling a run that has ended."""


class RateLimitedError(ResponseError):
    """429: refused for now, before anything was done."""

    transient = True
    arrival = Arrival.NOT_ARRIVED
    succeeded_ago = float("inf")
    """Seconds since a call of the same operation with this API key last succeeded; infinite if none is known."""


class QuotaError(ResponseError):
    """``INSUFFICIENT_QUOTA_ERROR``, regardless of the status: the organization has no quota left for the run now."""


class KeyLimitedError(RateLimitedError):
    """Not sent yet, because the service refused an earlier call with this API key (429). Not an outage.

    :param operation: operation id of the call.
    :param seconds: seconds until the call can be sent.
    """

    def __init__(self, operation: str, seconds: float) -> None:
        text = f"Not sent: the service limits calls with this API key (429); next attempt in {seconds:.1f} s"
        super().__init__(operation, 429, retry_after=seconds, text=text)
        self.seconds = seconds


class ServerError(ResponseError):
    """408 or 5xx: the service or a gateway in front of it failed, perhaps after acting on the request."""

    transient = True
    arrival = Arrival.UNCLEAR


class ForeignResponseError(ServerError):
    """An error that the API would not send: a redirect, or any without its error body. Something else has responded.

    It may be a proxy, a login page or a maintenance page, so it means nothing for the request or a run.
    """


_TITLE = re.compile(r"<title[^>]*>\s*([^<]*[^<\s])\s*</title", re.IGNORECASE)
"""All that a page of HTML says in an error."""
_QUOTA_CODE = "INSUFFICIENT_QUOTA_ERROR"
_BY_STATUS: Mapping[int, type[ResponseError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ServerError,
    409: ConflictError,
    429: RateLimitedError,
}
_BY_PROXY = 407
_REFUSED_BY_ANYONE = (401, 405, 413, 414, 431)
"""Repeating the request cannot help, regardless of the sender: the key, the method, or the size of the request."""


def error_from_response(
    operation: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    redact: Callable[[str], str] = str,
    *,
    address: str | None = None,
) -> ResponseError:
    """Classify a response that is not a success. Without ``address`` it is from another server than the API, whose
    errors may have any body.
    """
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else BadRequestError)
    found = {name.lower(): value for name, value in headers.items()}
    document = _json_object(body)
    errors, excerpt, hint = _error_infos(document, redact), "", ""
    if is_redirect := 300 <= status < 400:
        errors, excerpt = (), "the host redirects, and redirects are not followed (they would forward the API key)"
    elif not errors:
        excerpt = _excerpt(body, redact)
    if any(entry.get("code") == _QUOTA_CODE for entry in _entries(document)):
        kind = QuotaError
    elif address is not None and not issubclass(kind, RateLimitedError | ServerError):
        has_error_body = isinstance(document.get("errors"), list)
        if is_redirect or status == _BY_PROXY or not (errors or has_error_body):
            kind = kind if status in _REFUSED_BY_ANYONE else ForeignResponseError
            hint = f"this response did not come from the Runs API; {_suspect(address)}"
        elif status == 405 or (status == 404 and not has_error_body):
            # A host that does not know the path. The API itself sends 404 for a run, and never 405.
            hint = _suspect(address)
    return kind(
        operation,
        status,
        errors,
        redact(str(document.get("requestId") or found.get("x-request-id") or "")) or None,
        parse_retry_after(found.get("retry-after"), datetime.now(UTC)),
        excerpt,
        hint,
    )


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Read a ``Retry-After`` header as seconds from ``now``: whole or decimal seconds (the service sends ``5.2``), or
    an HTTP date. None if it is unreadable.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = parse_http_date(value)
        if moment is None:
            return None
        seconds = moment.timestamp() - now.timestamp()
    return max(0.0, seconds) if seconds < float("inf") else None


def parse_http_date(value: str) -> datetime | None:
    """Read a date in an HTTP header (RFC 9110, section 5.6.7), without an offset as UTC. None if unreadable."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, Mapping) else {}


def _error_infos(document: Mapping[str, Any], redact: Callable[[str], str]) -> tuple[ErrorInfo, ...]:
    if isinstance(document.get("errors"), list):
        return tuple(ErrorInfo.from_json(entry, redact) for entry in _entries(document))
    said = document.get("message") or document.get("detail")
    if not said:
        return ()
    return (ErrorInfo(message=redact(said) if isinstance(said, str) else redact(json.dumps(said))[:MAX_BODY_EXCERPT]),)


def _suspect(address: str) -> str:
    return f"{address} may be wrong or behind a proxy"


def _entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = document.get("errors")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _excerpt(body: bytes, redact: Callable[[str], str]) -> str:
    # Redact first: a key that is cut in half is no longer found.
    text = " ".join(redact(body.decode("utf-8", "replace"))[: 4 * MAX_BODY_EXCERPT].split())
    if text.startswith("<") and (title := _TITLE.search(text)):
        text = title[1]
    return text if len(text) <= MAX_BODY_EXCERPT else f"{text[:MAX_BODY_EXCERPT]}…"
