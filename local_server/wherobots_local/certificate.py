"""A self-signed certificate for https, made by the server for its own names."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wherobots_local.security import is_every_address

if TYPE_CHECKING:
    from cryptography import x509

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
