"""Responses about SQL sessions. Unknown fields are ignored, unknown statuses kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_wherobots.api.endpoint import is_loopback

PROTOCOL_VERSION = "1.0.0"
READY = "READY"
ENDED = frozenset({"PREPARE_FAILED", "DEPLOY_FAILED", "INIT_FAILED"})
"""With every status that begins with ``DESTROY``."""


@dataclass(frozen=True, slots=True)
class RequestedSession:
    """The response to a request for a session. ``fallback`` is why a session of the caller is shared instead of a new
    one, such as ``quota``.
    """

    id: str
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class SqlSession:
    """A SQL session. Its address is empty until it is known, and its status may be any text."""

    id: str
    status: str
    url: str = ""
    message: str = ""
    region: str = ""
    version: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> SqlSession | None:
        """Read a ``SqlSessionKubeApp``, or null."""
        if data is None:
            return None
        meta = data.get("appMeta")
        meta = meta if isinstance(meta, Mapping) else {}
        return cls(
            id=str(data["id"]),
            status=str(data.get("status") or ""),
            url=str(meta.get("url") or ""),
            message=str(data.get("message") or _newest_event(data.get("events"))),
            region=str(data.get("regionName") or ""),
            version=str(meta.get("resolved_version") or ""),
        )

    @property
    def is_ready(self) -> bool:
        """Whether statements can be executed. A session without an address is not ready, regardless of its status."""
        return self.status == READY and bool(self.url)

    @property
    def has_ended(self) -> bool:
        """Whether it will never be ready (again)."""
        return self.status in ENDED or self.is_being_stopped

    @property
    def is_being_stopped(self) -> bool:
        """Whether it is being stopped, or was."""
        return self.status.startswith("DESTROY")

    @property
    def socket_url(self) -> str:
        """Address of its WebSocket. A ValueError if it is not one, or would send the API key over the network in the
        clear.
        """
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"the session's address is not a URL: {error}") from None
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        if scheme not in ("ws", "wss") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("the session's address is not an http or ws URL")
        if scheme == "ws" and not is_loopback(parts.hostname):
            raise ValueError("the session's address is not encrypted, and would expose the API key on the network")
        return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/{PROTOCOL_VERSION}", "", ""))


def _newest_event(events: Any) -> str:
    for event in reversed(events if isinstance(events, list) else []):
        if isinstance(event, Mapping) and (text := event.get("message") or event.get("reason")):
            return str(text)
    return ""
