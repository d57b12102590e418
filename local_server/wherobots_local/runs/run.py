"""The state of a run."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wherobots_local.api.errors import PENDING, RUNNING, TERMINAL_STATUSES
from wherobots_local.api.requests import CreateRunRequest
from wherobots_local.runs.log import RunLog

_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 14


def new_id() -> str:
    """Return an id like those of the service: 14 characters of ``[a-z0-9]``."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Format a time as the service does: ISO 8601 in UTC with a ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class AppEvent:
    """A ``KubeAppEvent``."""

    code: str | None
    message: str | None
    meta: dict[str, Any] | None = None
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)


@dataclass
class LocalRun:
    """A run. Only its methods change the state, so that the times stay consistent. A ``synthetic`` run has no process
    and changes only through the control surface. ``failure`` is what it fails with in place of its script."""

    request: CreateRunRequest
    region: str
    sequence: int
    synthetic: bool = False
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=utc_now)
    created_monotonic: float = field(default_factory=time.monotonic)
    log: RunLog = field(default_factory=RunLog)
    status: str = PENDING
    updated_at: datetime = field(init=False)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancel_requested: bool = False
    failure: str | None = None
    app_id: str = field(default_factory=new_id)
    app_status: str = PENDING
    app_message: str | None = None
    spark_ui_url: str = ""
    events: list[AppEvent] = field(default_factory=list)
    on_change: Callable[[LocalRun], None] | None = None

    def __post_init__(self) -> None:
        self.updated_at = self.created_at
        self.events.append(AppEvent("APP_START_CREATION", None, {"use_v2_workflow": True}, created_at=self.created_at))

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_STATUSES

    def set_status(self, status: str) -> None:
        """Change the status and its times."""
        self.status = status
        self._touch()
        if status == RUNNING and self.started_at is None:
            self.started_at = self.updated_at
        if status in TERMINAL_STATUSES and self.completed_at is None:
            self.completed_at = self.updated_at

    def set_app(self, status: str, message: str | None = None) -> None:
        """Change ``kubeApp.status`` and, if one is given, ``kubeApp.message``."""
        self.app_status = status
        if message is not None:
            self.app_message = message
        self._touch()

    def add_event(self, code: str | None, message: str | None, meta: dict[str, Any] | None = None) -> None:
        self.events.append(AppEvent(code, message, meta))
        self._touch()

    def set_spark_ui(self, url: str) -> None:
        self.spark_ui_url = url
        self._changed()

    def _touch(self) -> None:
        self.updated_at = utc_now()
        self._changed()

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)
