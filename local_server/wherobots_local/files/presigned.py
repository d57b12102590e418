"""Presigned URLs: each allows one method on one file for an hour, without the API key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

PREFIX = "/_objects"
LIFETIME_SECONDS = 3600


class UrlSigner:
    """Makes and checks presigned URLs. They expire when the server ends."""

    def __init__(self) -> None:
        self.expire_all()

    def expire_all(self) -> None:
        self._secret = secrets.token_bytes(32)

    def url(self, origin: str, method: str, key: str, now: float) -> str:
        """``origin`` is this server's scheme, host and port as the client knows them."""
        expires = str(int(now) + LIFETIME_SECONDS)
        query = urlencode({"expires": expires, "signature": self._signature(method, key, expires)})
        return f"{origin}{PREFIX}/{quote(key)}?{query}"

    def refusal(self, method: str, key: str, query: Mapping[str, str], now: float) -> tuple[str, str] | None:
        """Return why a URL does not work, as code and message; None if it works."""
        expires = query.get("expires", "")
        expected = self._signature(method, key, expires)
        if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode()):
            return "SignatureDoesNotMatch", "The signature does not match the method and the address of the request"
        return ("AccessDenied", "Request has expired") if int(expires) < now else None

    def _signature(self, method: str, key: str, expires: str) -> str:
        # The length of each part is signed too, so that no line end in a key can imitate another part.
        text = "\n".join(f"{len(part)} {part}" for part in (method, key, expires))
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
