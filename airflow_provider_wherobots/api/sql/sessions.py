"""A SQL session: the request for one, and what the service says of it. An unknown status is kept.

Source: the service's OpenAPI description, tag "sql". Operation ids are taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import quote, urlsplit, urlunsplit

from airflow_provider_wherobots.api.call import Call, no_content
from airflow_provider_wherobots.api.endpoint import is_loopback
from airflow_provider_wherobots.api.errors import InvalidArgumentError

MULTI, SINGLE = "multi", "single"
SESSION_TYPES = (MULTI, SINGLE)
OWN_INACTIVE_SECONDS = 300
"""How long a session that not everybody shares lives after its last client, if nothing stops it. The service's default
is not published.
"""
PROTOCOL_VERSION = "1.0.0"
READY = "READY"
ENDED = frozenset({"PREPARE_FAILED", "DEPLOY_FAILED", "INIT_FAILED"})
"""With every status that begins with ``DESTROY``."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A request for a SQL session. Requests that are equal get the same session, unless it is to be new.

    :param runtime: id of the runtime; None takes the organization's default.
    :param region: compute region; None takes the organization's default.
    :param version: Wherobots version; None takes the latest.
    :param session_type: ``multi`` (default), which connections share, or ``single``.
    :param force_new: whether it must be a new one; default False.
    :param session_key: only requests with the same key share a session; None shares with those without a key.
    :param shutdown_after_inactive_seconds: how long it lives after its last client has gone, in seconds; None takes 300
        with a ``session_key``, ``force_new`` or the type ``single``, else the service's default.
    :raises InvalidArgumentError: names the argument, the value and the rule.
    """

    runtime: str | None = None
    region: str | None = None
    version: str | None = None
    session_type: str = MULTI
    force_new: bool = False
    session_key: str | None = None
    shutdown_after_inactive_seconds: int | None = None

    def __post_init__(self) -> None:
        for name in ("runtime", "region", "version", "session_key"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise InvalidArgumentError(f"{name}={value!r}: must be a string that is not empty, or None")
        if self.session_type not in SESSION_TYPES:
            raise InvalidArgumentError(f"session_type={self.session_type!r}: must be multi or single")
        if not isinstance(self.force_new, bool):
            raise InvalidArgumentError(f"force_new={self.force_new!r}: must be True or False")
        seconds = self.shutdown_after_inactive_seconds
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1):
            raise InvalidArgumentError(
                f"shutdown_after_inactive_seconds={seconds!r}: must be a whole number of seconds, 1 or more, or None"
            )

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice gives one session."""
        return self.session_type == MULTI and not self.force_new

    @property
    def inactive_seconds(self) -> int | None:
        """How long it lives after its last client, in seconds; None takes the service's default."""
        is_shared = self.is_repeatable and self.session_key is None
        return self.shutdown_after_inactive_seconds or (None if is_shared else OWN_INACTIVE_SECONDS)

    def body(self) -> dict[str, Any]:
        """An ``SqlSessionAPIPayload``."""
        fields: dict[str, Any] = {
            "runtimeId": self.runtime,
            "version": self.version,
            "sessionType": self.session_type,
            "sessionKey": self.session_key,
            "shutdownAfterInactiveSeconds": self.inactive_seconds,
        }
        return {name: value for name, value in fields.items() if value is not None}


def is_session_id(value: Any) -> TypeGuard[str]:
    """Whether a value can be the id of a session, and so a part of a path. Jinja renders the result of a task that has
    returned nothing as ``None``.
    """
    return isinstance(value, str) and bool(value.strip()) and value not in (".", "..", "None") and value.isprintable()


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
    key: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> SqlSession | None:
        """Read a ``SqlSessionKubeApp``, or null."""
        if data is None:
            return None
        meta = data.get("appMeta")
        meta = meta if isinstance(meta, Mapping) else {}
        payload = data.get("apiPayload")
        return cls(
            id=str(data["id"]),
            status=str(data.get("status") or ""),
            url=str(meta.get("url") or ""),
            message=str(data.get("message") or _newest_event(data.get("events"))),
            region=str(data.get("regionName") or ""),
            version=str(meta.get("resolved_version") or ""),
            key=str(payload.get("sessionKey") or "") if isinstance(payload, Mapping) else "",
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


FALLBACK_HEADER = "X-Wherobots-Sql-Session-Fallback"
"""Present if the organization's quota allows no new session, so that another session of the caller is shared."""


def create_session(request: SessionRequest) -> Call[RequestedSession]:
    """``POST /sql/session`` (createSqlSession). The response is a 303 to the session, which may be shared. Repeatable
    unless each request makes a new one.
    """
    params = [("force_new", "true")] if request.force_new else []
    if request.region is not None:
        params.append(("region", request.region))
    return Call(
        "createSqlSession",
        "POST",
        "/sql/session",
        _session_from_body,
        tuple(params),
        request.body(),
        repeatable=request.is_repeatable,
        see_other=_session_from_location,
    )


def get_session(session_id: str) -> Call[SqlSession | None]:
    """``GET /sql/session/{session_id}`` (getSqlSession); None if the response is ``null``."""
    return Call("getSqlSession", "GET", _session_path(session_id), SqlSession.from_json)


def delete_session(session_id: str) -> Call[None]:
    """``DELETE /sql/session/{session_id}`` (deleteSqlSession), for the caller's own sessions."""
    return Call("deleteSqlSession", "DELETE", _session_path(session_id), no_content, urgent=True)


def _session_from_location(headers: Mapping[str, str]) -> RequestedSession:
    path = urlsplit(headers.get("Location", "")).path
    parent, _, session_id = path.rstrip("/").rpartition("/")
    if not parent.endswith("/sql/session") or not is_session_id(session_id):
        raise ValueError("its Location is not the address of a SQL session")
    return RequestedSession(session_id, headers.get(FALLBACK_HEADER) or "")


def _session_from_body(data: Any) -> RequestedSession:
    """Read a response to a redirect that a proxy has followed."""
    if not is_session_id(data["id"]):
        raise ValueError("its id is not the id of a SQL session")
    return RequestedSession(data["id"], "")


def _session_path(session_id: str) -> str:
    if not is_session_id(session_id):
        raise InvalidArgumentError(f"session_id={session_id!r}: must be the id of a SQL session")
    return f"/sql/session/{quote(session_id, safe='')}"
