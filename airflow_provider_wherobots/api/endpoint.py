"""The address of the Runs API, and the key to call it with."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from airflow_provider_wherobots.api.errors import InvalidArgumentError

DEFAULT_HOST = "api.cloud.wherobots.com"
ACCEPT_ENCODING = "gzip"
"""What :class:`~airflow_provider_wherobots.api.call.Body` can decompress."""
RUN_ID_FIELD = "{run_id}"
"""Placeholder for the run's id in a template for :func:`console_url`."""
MAX_ADDRESS_CHARS = 2_048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API host and the key for it. The key is left out of the repr.

    :param base_url: scheme, host and port, without a trailing slash; see :func:`base_url`.
    :param api_key: the API key.
    :param user_agent: value of the ``User-Agent`` header.
    :param client: hop added to ``X-Wherobots-Client``, the service's client chain.
    :param source: what names this host, such as ``connection 'wherobots_default'``, for messages; default empty.
    """

    base_url: str
    api_key: str = field(repr=False)
    user_agent: str = "airflow-provider-wherobots"
    client: str = "client=airflow-provider-wherobots"
    source: str = ""

    def __post_init__(self) -> None:
        # A key with a line break would forge headers; one outside latin-1 cannot be sent at all.
        if not self.api_key:
            raise InvalidArgumentError("api_key='': must not be empty")
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            raise InvalidArgumentError("api_key=***: must be printable ASCII, without line breaks")

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "X-API-Key": self.api_key,
            "X-Wherobots-Client": self.client,
            "User-Agent": self.user_agent,
        }

    def headers_for(self, command: str) -> dict[str, str]:
        """Headers of a request, with the command that sends it, such as a task's name, in the client chain."""
        return {**self.headers, "X-Wherobots-Client": f"{self.client};cmd={command}"} if command else self.headers

    @property
    def address(self) -> str:
        """The host's name in messages."""
        return f"{self.base_url} ({self.source})" if self.source else self.base_url

    def redact(self, text: str) -> str:
        """Remove the key from a text before it is shown: a proxy may echo the request that it refuses."""
        for written in {self.api_key, json.dumps(self.api_key)[1:-1]}:
            text = text.replace(written, "***")
        return text


def base_url(host: str | None = None, port: int | None = None, scheme: str | None = None) -> str:
    """Build the base URL from the fields of a connection. Plain http to another machine is refused, because it would
    expose the API key on the network.
    """
    given = (host or "").strip() or DEFAULT_HOST
    text = given if "://" in given else f"{(scheme or 'https').strip()}://{_bracketed(given)}"
    shown = text.rsplit("@", 1)[-1]
    try:
        parts = urlsplit(text)
        found_port = parts.port or port
    except ValueError:
        # The parser's message may contain the user and password from the address.
        raise InvalidArgumentError(f"host={shown!r}: is not a host name or address with a valid port") from None
    if "@" in parts.netloc:
        raise InvalidArgumentError(
            f"host={shown!r}: must not contain a user or a password; put the API key in the password field"
        )
    if parts.scheme not in ("http", "https"):
        raise InvalidArgumentError(f"host={shown!r}: the scheme must be http or https")
    if parts.query or parts.fragment or any(c.isspace() or c == "\\" for c in text):
        raise InvalidArgumentError(
            f"host={shown!r}: must be a host name, without query, fragment, spaces or backslashes"
        )
    if not parts.hostname:
        raise InvalidArgumentError(f"host={shown!r}: contains no host name")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidArgumentError(
            f"host={shown!r}: plain http would send the API key in the clear and is for this machine only; use https"
        )
    netloc = _bracketed(parts.hostname)
    if found_port:
        netloc = f"{netloc}:{found_port}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def is_loopback(hostname: str) -> bool:
    """Whether a host name always means this machine."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def console_url(api_base_url: str, run_id: str, template: str | None = None) -> str:
    """Address of a run's page in the web console."""
    if template is None:
        template = f"{_console(api_base_url)}/runs/{RUN_ID_FIELD}"
    return template.replace(RUN_ID_FIELD, quote(run_id, safe=""))


def workload_history_url(api_base_url: str) -> str:
    """Address of the console's page "Workload History", which lists SQL sessions.

    No address of a single session is documented. Source: https://docs.wherobots.com/develop/workload-history
    """
    return f"{_console(api_base_url)}/workloads"


def _console(api_base_url: str) -> str:
    parts = urlsplit(api_base_url)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"


def check_console_url_template(template: str) -> None:
    """Check a template for :func:`console_url`: an http or https address with ``{run_id}`` in it, and nothing else in
    braces.
    """
    rest = template.replace(RUN_ID_FIELD, "run")
    # The part before an @ may be a password.
    shown = f"console_url_template={template.rsplit('@', 1)[-1]!r}"
    if rest == template or "{" in rest or "}" in rest:
        raise InvalidArgumentError(f"{shown}: must contain {RUN_ID_FIELD}, and nothing else in braces")
    if not is_web_address(rest):
        raise InvalidArgumentError(
            f"{shown}: must be an http or https address, without a user, spaces or control characters"
        )


def is_web_address(address: str) -> bool:
    """Whether an address, perhaps from an untrusted source, can be shown as a link: http or https, with a host, and no
    user, spaces or line breaks.
    """
    if len(address) > MAX_ADDRESS_CHARS or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
