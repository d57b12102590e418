"""What tests do to SQL sessions of a local server in this process, beyond its control surface."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from wherobots_local import ControlClient, LocalServer
from wherobots_local.api.requests import ExecuteMessage, ReceivedMessage
from wherobots_local.http.sql_socket import SqlConnection
from wherobots_local.service import LocalService
from wherobots_local.sql.engine import Executed, OnProgress, StoreTarget
from wherobots_local.sql.synthetic import Answers, SyntheticAnswer, SyntheticEngine

T = TypeVar("T")

_SECONDS = 60


class HeldAnswer(SyntheticAnswer):
    """The statement runs until it is released."""


@dataclass
class _Inside:
    """A server in this process: its loop, the statements that are held, and those whose connection is lost."""

    service: LocalService
    loop: asyncio.AbstractEventLoop
    held: list[tuple[str, asyncio.Event]] = field(default_factory=list)
    losing: list[str] = field(default_factory=list)


_INSIDE: dict[Path, _Inside] = {}
"""The servers in this process, by their roots."""


class SqlControl(ControlClient):
    """A client of the control surface that reaches into the server: hold statements, and lose what can be lost."""

    def __init__(self, server: LocalServer, certificate: str | os.PathLike[str] | None = None) -> None:
        super().__init__(server.url, server.api_key, certificate=certificate)
        self._root = server.root

    @property
    def _inside(self) -> _Inside:
        return _INSIDE[self._root]

    def sql_session(self, session_id: str) -> dict[str, Any]:
        """Return a session as ``sql_sessions`` does."""
        return self._call("GET", f"/sql/sessions/{session_id}")

    def answer_sql(
        self,
        statement: str,
        columns: Mapping[str, Sequence[Any]] | None = None,
        *,
        geometry: Sequence[str] = (),
        error: str = "",
        seconds: float = 0,
        held: bool = False,
    ) -> None:
        """Set what a statement does. A ``held`` one runs until :meth:`release_sql`."""
        super().answer_sql(statement, columns, geometry=geometry, error=error, seconds=seconds)
        if held:
            given = self._inside.service.sql_answers.given
            text, answer = given[0]
            given[0] = text, HeldAnswer(**vars(answer))

    def clear_sql_answers(self) -> None:
        """Forget what :meth:`answer_sql` has set."""
        self._inside.service.sql_answers.given.clear()

    def release_sql(self, statement: str = "") -> None:
        """Let held statements that contain a text, in any case, continue."""

        def release() -> None:
            for text, gate in self._inside.held:
                if statement.casefold() in text.casefold():
                    gate.set()

        self._do(release)

    def lose_sql_connection_after(self, statement: str) -> None:
        """Lose the connection of the next statement with this text, once it has begun."""
        self._inside.losing.append(statement)

    def end_sql_session(self, session_id: str, *, status: str = "DESTROYED", message: str = "ended by a test") -> None:
        """End a session and all that runs in it."""
        sessions = self._inside.service.sql_sessions
        self._do(lambda: sessions.get(session_id).begin_to_end(status, message, code=1011))

    def drop_sql_connections(self, session_id: str, *, code: int | None = None) -> int:
        """End the connections of a session as if the network had failed, or with a code, and return their number."""

        def drop() -> int:
            listeners = tuple(self._inside.service.sql_sessions.get(session_id)._listeners)
            for listener in listeners:
                listener.close(code, "")
            return len(listeners)

        return self._do(drop)

    def evict_sql_execution(self, session_id: str, execution_id: str) -> None:
        """Let a session forget an execution, which continues if it runs."""
        sessions = self._inside.service.sql_sessions
        self._do(lambda: sessions.get(session_id).executions.evict(execution_id))

    def _do(self, work: Callable[[], T]) -> T:
        """Do something in the server's event loop."""

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._inside.loop).result(_SECONDS)


@contextmanager
def reachable_sql() -> Iterator[None]:
    """Let :class:`SqlControl` reach the servers that start in this process."""
    start, execute, receive = LocalService.start, SyntheticEngine.execute, SqlConnection._receive

    def noted(service: LocalService) -> None:
        _INSIDE[service.root] = _Inside(service, asyncio.get_running_loop())
        start(service)

    async def held(
        engine: SyntheticEngine,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        if not isinstance(Answers.to(engine._answers, statement), HeldAnswer):
            return await execute(engine, execution_id, statement, store, max_rows, on_progress)
        on_progress(10, 0, 1)
        waiting, all_held = (statement, asyncio.Event()), _INSIDE[engine._root].held
        all_held.append(waiting)
        try:
            await waiting[1].wait()
        finally:
            all_held.remove(waiting)
        executed = await execute(engine, execution_id, statement, store, max_rows, on_progress)
        on_progress(10, 10, 0)
        return executed

    def received(connection: SqlConnection, message: ReceivedMessage) -> None:
        losing = _INSIDE[connection._service.root].losing
        statement = message.message.statement if isinstance(message.message, ExecuteMessage) else None
        for text in losing:
            if statement is not None and text.casefold() in statement.casefold():
                losing.remove(text)
                connection._lose()
                break
        receive(connection, message)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LocalService, "start", noted)
        patched.setattr(SyntheticEngine, "execute", held)
        patched.setattr(SqlConnection, "_receive", received)
        yield
