"""The bodies of control calls about SQL sessions: from JSON to checked values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from wherobots_local.api.validation import ControlModel
from wherobots_local.control.sql_behaviour import Seconds

_Code = Annotated[int, Field(ge=1000, le=4999)]


class SessionPatch(ControlModel):
    """What a session says about itself instead of the truth; None says the truth."""

    status: str | None = None
    message: str | None = None
    url: str | None = None


class SessionEnd(ControlModel):
    """How a session ends."""

    status: str = "DESTROYED"
    message: str = "ended by a test"
    code: _Code = 1011


class ConnectionsEnd(ControlModel):
    """How its connections end: with a code, or as if the network had failed."""

    code: _Code | None = None


class Eviction(ControlModel):
    """Which execution a session forgets."""

    execution_id: str


class Release(ControlModel):
    """Which held statements go on: those that contain a text."""

    statement: str = ""


class NewAnswer(ControlModel):
    """What the synthetic engine does with a statement."""

    statement: str
    columns: dict[str, list[Any]] | None = None
    geometry: list[str] = Field(default_factory=list)
    error: str = ""
    seconds: Seconds = 0.0
    held: bool = False
