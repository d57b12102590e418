"""Access to the server: the API key, the ``Host`` header and the address it listens on."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable, Mapping

API_KEY_VARIABLE = "WHEROBOTS_API_KEY"
"""Environment variable that the command line reads the key from. Runs never see it."""

_LONGEST_NAME = 253
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class ApiKey:
    """The key that every request must carry. Its ``repr`` does not show it.

    :param value: the key; None makes a random one.
    :raises ValueError: if it is blank or holds anything but printable ASCII.
    """

    def __init__(self, value: str | None = None) -> None:
        self.generated = value is None
        self._value = self._first = checked_key(secrets.token_urlsafe(24) if value is None else value)

    @property
    def value(self) -> str:
        """The key itself."""
        return self._value

    def rotate(self, value: str | None = None) -> str:
        """Replace the key; the old one is refused from now on.

        :param value: the new key; None makes a random one.
        :returns: the new key.
        :raises ValueError: if it is blank or holds anything but printable ASCII.
        """
        self._value = checked_key(secrets.token_urlsafe(24) if value is None else value)
        return self._value

    def restore(self) -> None:
        """Make the first key valid again, in place of one that has replaced it."""
        self._value = self._first

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Say whether a request carries the key, in ``X-API-Key`` or as a bearer token.

        :param headers: the headers of the request, with case-insensitive names.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = (headers.get("x-api-key", ""), token if scheme.lower() == "bearer" else "")
        expected = self._value.encode()
        # Both are compared: the time taken must not show which one is wrong.
        results = [hmac.compare_digest(key.strip().encode(), expected) for key in given]
        return any(results)

    def __repr__(self) -> str:
        return "ApiKey(***)"


def checked_key(value: str) -> str:
    """Check an API key and strip white space around it.

    :raises ValueError: if it is blank or holds anything but printable ASCII. The message does not show it.
    """
    key = value.strip()
    if not key:
        raise ValueError("the API key is blank, but must hold at least one character")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the API key holds a character that is not printable ASCII")
    return key


class HostCheck:
    """The ``Host`` headers that are answered, so that no web page can reach the server through DNS rebinding.

    :param bound_host: the host that the server listens on, as it was given.
    :param port: the port it listens on.
    :param remote: whether other machines may reach it; then any IP address and this machine's name are accepted too.
    :param names: further host names to answer to.
    """

    def __init__(self, bound_host: str, port: int, *, remote: bool = False, names: Iterable[str] = ()) -> None:
        own = {socket.gethostname().lower()} if remote else set()
        self._names = frozenset({bound_host.lower(), *own, *(name.lower() for name in names)}) | _LOOPBACK_NAMES
        self._port = port
        self._remote = remote

    def admits(self, header: str | None, *, default_port: int) -> bool:
        """Say whether a ``Host`` header names this server.

        :param header: the header; None if it is missing.
        :param default_port: the port of a header without one: 80 or 443.
        """
        host, port = _split_host(header or "")
        if (default_port if port is None else port) != self._port:
            return False
        return host in self._names or (self._remote and _is_address(host))


def resolves_to_loopback(host: str) -> bool:
    """Say whether all addresses of a host are loopback addresses, which only this machine can reach.

    :raises OSError: if the name cannot be resolved.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def is_host_name(name: str) -> bool:
    """Say whether a text is a host name or an IP address as they may be in a ``Host`` header, without port or brackets.

    An underscore is allowed, because the names of services in Docker may have one.
    """
    if "%" in name:
        # The zone of an address may be any text.
        return False
    return _is_address(name) or (len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None)


def is_every_address(host: str) -> bool:
    """Say whether a host means all addresses of this machine, such as 0.0.0.0."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _split_host(header: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``; a malformed one becomes an empty host."""
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
