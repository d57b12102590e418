"""One execution of a statement, and the connection that hears of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from wherobots_local.api.sql_requests import ExecuteMessage
from wherobots_local.runs.run import new_id
from wherobots_local.sql.engine import Executed
from wherobots_local.sql.frames import Frame

RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"


class SqlListener(Protocol):
    """A connection of a client."""

    origin: str
    """Scheme, host and port of this server as the client knows them."""

    def post(self, frame: Frame, statement: str) -> None:
        """Send a message, without waiting for it."""

    def close(self, code: int | None, reason: str) -> None:
        """End the connection; without a closing frame if ``code`` is None."""


@dataclass(eq=False)
class Execution:
    """One execution. Its ``listener`` is the connection that receives its messages; None for an orphan."""

    wish: ExecuteMessage
    listener: SqlListener | None
    key: str = field(default_factory=new_id)
    """Its name inside the engine: unlike a client's id it comes once."""
    state: str = RUNNING
    message: str = ""
    executed: Executed | None = None
    cancelling: bool = False
    task: asyncio.Task[None] | None = None
    grace: asyncio.TimerHandle | None = None

    @property
    def id(self) -> str:
        return self.wish.execution_id

    @property
    def is_running(self) -> bool:
        return self.state == RUNNING

    def tell(self, frame: Frame) -> None:
        """Send a message to the connection that hears of it, if there is one."""
        if self.listener is not None:
            self.listener.post(frame, self.wish.statement)

    def adopt(self, listener: SqlListener) -> None:
        self.listener = listener
        self.end_grace()

    def end_grace(self) -> None:
        if self.grace is not None:
            self.grace.cancel()
            self.grace = None

    def as_json(self) -> dict[str, Any]:
        return {
            "execution_id": self.id,
            "statement": self.wish.statement,
            "state": self.state,
            "message": self.message,
            "has_listener": self.listener is not None,
            "result_uri": self.executed.result_uri if self.executed else None,
        }
