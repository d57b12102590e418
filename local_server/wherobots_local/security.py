"""Access to the server: the API key, the ``Host`` header and the address it listens on."""

from __future__ import annotations

import datetime
import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509

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


_VALID_DAYS = 365
_OWN_NAME = "Wherobots local server"
_ALWAYS = ("localhost", "127.0.0.1", "::1")


class MadeCertificate(NamedTuple):
    """The files of a certificate. A client trusts ``cert.pem``, or ``ca-bundle.pem``, which also has the usual
    authorities, because ``REQUESTS_CA_BUNDLE`` replaces them."""

    certfile: Path
    keyfile: Path
    bundle: Path


def made_certificate(folder: Path, names: Iterable[str]) -> MadeCertificate:
    """Return the certificate in a folder. It is made if there is none.

    It is no authority: its key signs no other names. Names for every address, such as 0.0.0.0, are left out. No file is
    ever replaced: raises ``ValueError`` if the folder has another certificate or one that has expired, and for a name
    that no certificate can have.
    """
    wanted = list(dict.fromkeys([*_ALWAYS, *(name for name in names if not is_every_address(name))]))
    made = MadeCertificate(folder / "cert.pem", folder / "key.pem", folder / "ca-bundle.pem")
    if not any(os.path.lexists(file) for file in made):
        folder.mkdir(parents=True, exist_ok=True)
        _make(made, wanted)
    elif not _is_for(made.certfile, wanted):
        raise ValueError(
            "it has another certificate, or one that has expired; delete its files, or name another folder"
        )
    return made


def _is_for(file: Path, names: list[str]) -> bool:
    # Imported here, so that other servers start faster.
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    is_valid = datetime.datetime.now(datetime.UTC) < certificate.not_valid_after_utc
    return is_valid and set(found) == set(_general_names(names))


def _make(made: MadeCertificate, names: list[str]) -> None:
    import certifi
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _OWN_NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(own_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clocks of two machines differ.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bundle = Path(certifi.where()).read_bytes().rstrip() + b"\n\n# The Wherobots local server\n" + pem
    for file, content, mode in (
        (made.keyfile, private, 0o600),
        (made.bundle, bundle, 0o644),
        (made.certfile, pem, 0o644),
    ):
        # It has its mode before it has content.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
            opened.write(content)


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            # A certificate has no place for the zone of an address such as fe80::1%eth0.
            found.append(x509.IPAddress(ipaddress.ip_address(name.partition("%")[0])))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
