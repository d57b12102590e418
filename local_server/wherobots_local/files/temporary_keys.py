"""Temporary keys for S3 clients, and the check of signatures made with them (Signature Version 4)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

LIFETIME = timedelta(hours=1)

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<id>\w+)/(?P<scope>\d{{8}}/[\w-]+/s3/aws4_request), ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;_-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class TemporaryKey:
    """A key for an ``s3://`` address and everything below it."""

    path: str
    writes: bool
    expires: datetime
    id: str = field(default_factory=lambda: f"ASIA{secrets.token_hex(8).upper()}")
    secret: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    def admits(self, address: str, *, writing: bool) -> bool:
        return (self.writes or not writing) and f"{address}/".startswith(f"{self.path.rstrip('/')}/")


@dataclass(frozen=True)
class SignedRequest:
    """The signed parts of a request. Path and query are as they were sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def text(self, names: str) -> str:
        """Return the canonical request. ``names`` are the signed headers, joined by semicolons."""
        pairs = sorted((name, value) for name, _, value in (part.partition("=") for part in self.query.split("&")))
        query = "&".join(f"{name}={value}" for name, value in pairs if name)
        headers = [f"{name}:{' '.join(self.headers.get(name, '').split())}\n" for name in names.split(";")]
        payload = self.headers.get("x-amz-content-sha256", "")
        return "\n".join([self.method, self.path, query, "".join(headers), names, payload])


class TemporaryKeys:
    """The valid temporary keys. They expire when the server ends."""

    def __init__(self) -> None:
        self._keys: dict[str, TemporaryKey] = {}

    def issue(self, path: str, *, writes: bool) -> TemporaryKey:
        now = datetime.now(UTC)
        self._keys = {name: key for name, key in self._keys.items() if key.expires > now}
        key = TemporaryKey(path, writes, now + LIFETIME)
        self._keys[key.id] = key
        return key

    def expire_all(self) -> None:
        self._keys.clear()

    def signer(self, request: SignedRequest, now: datetime) -> TemporaryKey | str:
        """Return the key that signed a request, or S3's error code."""
        given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if given is None:
            return "AccessDenied"
        key = self._keys.get(given["id"])
        if key is None or not hmac.compare_digest(
            request.headers.get("x-amz-security-token", "").encode(), key.session.encode()
        ):
            return "InvalidAccessKeyId"
        moment = request.headers.get("x-amz-date", "")
        if key.expires <= now:
            return "ExpiredToken"
        canonical = hashlib.sha256(request.text(given["headers"]).encode()).hexdigest()
        text = "\n".join([_ALGORITHM, moment, given["scope"], canonical])
        expected = hmac.new(_signing_key(key.secret, given["scope"]), text.encode(), hashlib.sha256).hexdigest()
        covers_host = "host" in given["headers"].split(";")
        return key if covers_host and hmac.compare_digest(expected, given["signature"]) else "SignatureDoesNotMatch"


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
