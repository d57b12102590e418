"""The SQL of one try while it runs on a worker: its connection, and what a kill cancels and stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.journal import Writes
from airflow_provider_wherobots.flows.sql.session import APPEARANCE_SECONDS, stop_session
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.tasks.attempt import Attempt

if TYPE_CHECKING:
    from airflow_provider_wherobots.dbapi.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")


class SqlAttempt(Attempt):
    """Runs the flows of SQL, on one WebSocket."""

    def __init__(self, hook: WherobotsHook) -> None:
        super().__init__(hook)
        self.connection: Connection | None = None
        """Whose statement a kill cancels."""
        self.stop: Flow[..., object] | None = None
        """Makes the flow that stops the task's own session, from the seconds that it may take; None if it has none."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Open the ``Io``, and close it at the end with its WebSocket."""
        self.get_ready()
        self.connection = None
        with self.driving():
            yield

    def run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow that :meth:`kill` can stop, between :meth:`open` and its end."""
        return self.run_on(self.io, flow, *args, **kwargs)

    @property
    def io(self) -> WorkerIo:
        """The ``Io``, between :meth:`open` and its end."""
        if self._io is None:
            raise RuntimeError("the attempt is not open")
        return self._io

    def connect(self, writes: Writes, geometry: str, outage_seconds: float) -> Connection:
        """The connection, which is made once between :meth:`open` and its end."""
        from airflow_provider_wherobots.dbapi.connection import Connection

        if self.connection is None:
            self.connection = Connection(
                nullcontext(self.io),
                self._run_on_new_session,
                self.note,
                geometry=geometry,
                writes=writes,
                max_outage_seconds=outage_seconds,
            )
        return self.connection

    def note_ends(self) -> None:
        """Note in the journal what a kill has cancelled."""
        if self.connection is not None:
            self.connection.note_ends()

    def own(self, session_id: str, key: str, *, is_new: bool = True) -> None:
        """Let a kill stop a session with a key that nobody else has. ``is_new``: the service may not know it yet."""
        seconds = APPEARANCE_SECONDS if is_new else 0.0
        self.stop = partial(stop_session, session_id=session_id, appearance_seconds=seconds, own_key=key)

    def stop_own_session(self, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> None:
        """Stop the task's own session, if it has one."""
        if self.stop is not None:
            self._run_on_new_session(self.stop, budget_seconds=budget_seconds)
            # Only now: if this is interrupted, another kill repeats it.
            self.stop = None

    def _end_all(self) -> None:
        """Cancel the statement that runs, then stop the session."""
        share = WORKER_CANCEL_BUDGET_SECONDS / (1 if self.stop is None else 2)
        if self.connection is not None:
            self.connection.cancel_running(share)
        self.stop_own_session(share)
