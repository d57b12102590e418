"""Removes secrets from texts, and from a report also names and addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from airflow_provider_wherobots.api.endpoint import is_loopback

HIDDEN = "***"
SHOWN_CHARS = 2
"""How many characters of a name are kept, to distinguish names."""
MIN_NAME_CHARS = 3
"""A shorter name identifies nobody, and would be found in every word."""
OWN_DOMAIN = "wherobots.com"
_NAME_FIELDS = (
    "name",
    "email",
    "domain",
    "id",
    "bucketName",
    "path",
    "roleArn",
    "billingContact",
    "workosOrganizationId",
)
_WORDS = frozenset({"local", "data", "shared", "admin", "notebooks", "root", "default"})
"""Names and folders that identify nobody."""

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_AWS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}")
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|(?i:(?<=bearer )[\w.~+/-]+=*)")
_SIGNED = re.compile(r"(?i)\b(X-Amz-[\w-]+|Signature|AWSAccessKeyId|sig|token)=[^&\s'\"]+")
_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*)://([^\s'\"<>|)]+)")
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"
_HOST = re.compile(
    r"(?i)(?<![\w./-])(?:[a-z0-9_-]+\.)+(?:com|net|org|io|internal|local|corp|lan|cloud|dev|app|ai|co|eu|de|uk)(?![\w-])"
)
_IP_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
_HOME = re.compile(r"(/home|/Users|\\Users)([/\\])[^/\\\s'\"]+")
_OWN_REGION = re.compile(r"\bbyoc-[\w-]+")
"""A region in a customer's own cloud. It contains the customer's name."""
_ARN = re.compile(r"\barn:aws[\w:/.*-]*")


class Redactor:
    """Replaces secrets, in every form in which a URL or JSON writes them, and cuts names to their first letters."""

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._secrets = sorted({form for secret in secrets if secret for form in _forms(secret)}, key=len, reverse=True)
        self._names = sorted({name for name in names if len(name) >= MIN_NAME_CHARS}, key=len, reverse=True)

    def hide_secrets(self, text: str) -> str:
        """Remove keys, passwords, tokens, signatures and the user part of addresses; for the terminal."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _AWS_KEY.sub(HIDDEN, _TOKEN.sub(HIDDEN, text))
        text = _ADDRESS.sub(lambda found: f"{found[1]}://{_plain(found[2])}", text)
        return self._without_secrets(_SIGNED.sub(rf"\1={HIDDEN}", text))

    def hide_all(self, text: str) -> str:
        """Remove secrets, and mask names, e-mail addresses, buckets and hosts; for a text that is published."""
        text = _ADDRESS.sub(_masked_address, self.hide_secrets(text))
        text = _OWN_REGION.sub("byoc-…", text)
        text = _ARN.sub(HIDDEN, _EMAIL.sub(HIDDEN, _HOME.sub(r"\1\2…", text)))
        for bare in (_HOST, _IP_ADDRESS):
            text = bare.sub(lambda found: found[0] if _is_public(found[0]) else masked(found[0]), text)
        for name in self._names:
            text = re.sub(rf"{_WORD_BEGINS}{re.escape(name)}{_WORD_ENDS}", lambda found: masked(found[0]), text)
        return self._without_secrets(text)

    def _without_secrets(self, text: str) -> str:
        # The replacement of one secret may complete another.
        while found := [secret for secret in self._secrets if secret in text]:
            text = text.replace(found[0], "")
        return text


def masked(name: str) -> str:
    """The first letters of a name."""
    return f"{name[:SHOWN_CHARS]}…" if len(name) > SHOWN_CHARS else HIDDEN


def names_in(document: Any) -> set[str]:
    """The names and ids in a response about the organization, its users and its storage."""
    found: set[str] = set()
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key in _NAME_FIELDS and isinstance(value, str):
                found |= {part for part in re.split(r"s3://|/", value) if part and part.lower() not in _WORDS}
            elif key not in ("roles", "policies"):
                found |= names_in(value)
    elif isinstance(document, list):
        for item in document:
            found |= names_in(item)
    return found


def names_of_host(base_url: str) -> set[str]:
    """The host of an address, unless it belongs to the service or is this machine."""
    host = urlsplit(base_url).hostname or ""
    return set() if _is_public(host) else {host}


def _is_public(host: str) -> bool:
    host = host.lower().rstrip(".")
    return host == OWN_DOMAIN or host.endswith(f".{OWN_DOMAIN}") or is_loopback(host)


def _forms(secret: str) -> set[str]:
    """The forms in which a secret may be written."""
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}


def _plain(rest: str) -> str:
    """An address without the user part and without the query, which may hold a signature."""
    place, mark, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    # The @ may stand in a password: the last one ends it.
    return f"{host.rpartition('@')[2]}{slash}{path}{f'?{HIDDEN}' if mark else ''}"


def _masked_address(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    host, slash, path = rest.partition("/")
    if scheme.lower() in ("s3", "s3a", "gs", "file"):
        return f"{scheme}://{masked(host) if host else ''}{slash}{'…' if path else ''}"
    try:
        name = urlsplit(found[0]).hostname or host
    except ValueError:
        name = host
    return found[0] if _is_public(name) else f"{scheme}://{masked(name)}{slash}{'…' if path else ''}"
