"""Access to the server: the API key, the ``Host`` header and the address it listens on."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable, Mapping

API_KEY_VARIABLE = "WHEROBOTS_API_KEY"
"""The command line reads the key from this variable. Runs never see it."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class ApiKey:
    """The key of every request, random by default. Its ``repr`` does not show it."""

    def __init__(self, value: str | None = None) -> None:
        self.generated = value is None
        self.value = self._first = checked_key(secrets.token_urlsafe(24) if value is None else value)

    def rotate(self, value: str | None = None) -> str:
        """Replace the key, by default by a random one."""
        self.value = checked_key(secrets.token_urlsafe(24) if value is None else value)
        return self.value

    def restore(self) -> None:
        """Return to the first key."""
        self.value = self._first

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request has the key, in ``X-API-Key`` or as a bearer token."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = (headers.get("x-api-key", ""), token if scheme.lower() == "bearer" else "")
        expected = self.value.encode()
        # Both are compared: the time taken must not show which one is wrong.
        results = [hmac.compare_digest(key.strip().encode(), expected) for key in given]
        return any(results)

    def __repr__(self) -> str:
        return "ApiKey(***)"


def checked_key(value: str) -> str:
    """Strip and check an API key. Raises a ``ValueError``, whose message does not show the key."""
    key = value.strip()
    if not key:
        raise ValueError("the API key is blank, but must hold at least one character")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the API key holds a character that is not printable ASCII")
    return key


class HostCheck:
    """The accepted ``Host`` headers: this stops DNS rebinding. With ``remote``, any IP address and this machine's name
    are accepted too."""

    def __init__(self, bound_host: str, port: int, *, remote: bool = False, names: Iterable[str] = ()) -> None:
        own = {socket.gethostname().lower()} if remote else set()
        self._names = frozenset({bound_host.lower(), *own, *(name.lower() for name in names)}) | _LOOPBACK_NAMES
        self.port = port
        self._remote = remote

    def admits(self, header: str | None, *, default_port: int) -> bool:
        """Return whether a ``Host`` header names this server."""
        _, port = _split_host(header or "")
        return self.names_server(header) and (default_port if port is None else port) == self.port

    def names_server(self, header: str | None) -> bool:
        """Return whether a ``Host`` header names this server, on whatever port."""
        host, _ = _split_host(header or "")
        return host in self._names or (self._remote and _is_address(host))


def resolves_to_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def is_host_name(name: str) -> bool:
    """Return whether a text is a host name or IP address, without port or brackets. An underscore is allowed, because
    Docker services can have one."""
    # The zone of an address may be any text.
    return _NAME.fullmatch(name) is not None or ("%" not in name and _is_address(name))


def is_every_address(host: str) -> bool:
    """Return whether a host means all addresses, such as 0.0.0.0."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _split_host(header: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``; a malformed text has an empty host."""
    text = header.strip().lower()
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not closing or (rest and not rest.startswith(":")):
            return "", None
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    if not port:
        return host, None
    return (host, int(port)) if port.isascii() and port.isdigit() and len(port) <= 5 else ("", None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
