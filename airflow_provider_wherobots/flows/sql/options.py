"""What is executed, and how it is followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.known_fields import known_fields
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be executed. A stored result is never fetched, regardless of ``wants_result``."""

    execution_id: str
    text: str = field(repr=False)
    store: Store | None = None
    geometry: str = "ewkt"
    wants_result: bool = True


@dataclass(frozen=True, slots=True)
class StatementOptions:
    """How a statement is followed; JSON-able, so that a trigger can carry it.

    :param url: address of the session's WebSocket, for opening it again; default empty, it is never opened again.
    :param deadline: when to cancel it, in epoch seconds; default None, never.
    :param limit_name: the argument that sets the deadline, for messages; default ``execution_timeout``.
    :param progress: whether progress is logged; default True.
    :param hand_over_after: seconds after which another process may follow it; default None, never.
    :param started_at: when it was sent, in epoch seconds; None if it is not sent yet.
    :param max_outage_seconds: how long a lost WebSocket may take to be replaced, in seconds; default 600.
    """

    url: str = ""
    deadline: float | None = None
    limit_name: str = "execution_timeout"
    progress: bool = True
    hand_over_after: float | None = None
    started_at: float | None = None
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS

    def to_kwargs(self) -> dict[str, Any]:
        """The options as a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> StatementOptions:
        """Read options that another version of this package may have stored. Unknown ones are left out."""
        return cls(**known_fields(cls, kwargs))
