"""The executions of a session: start, result, takeover, cancel and eviction."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Protocol

from wherobots_local.api.requests import ExecuteMessage, RetrieveMessage
from wherobots_local.control.faults import Behaviour
from wherobots_local.runs.run import new_id
from wherobots_local.sql.engine import Engine, EngineDiedError, EngineError, Executed, ResultForm
from wherobots_local.sql.stored import (
    NOT_FOUND,
    Frame,
    StoredResults,
    error_frame,
    progress_frame,
    result_frame,
    state_frame,
)

_log = logging.getLogger(__name__)
_KEPT = 16
"""How many executions a client can ask about."""
_REMEMBERED = 1000
"""How many executions tests can look up."""
_LONGEST_STATEMENT = 2_000
"""An execution that has ended keeps this many characters of its statement."""
_LONGEST_MESSAGE = 10_000

RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"


class SqlListener(Protocol):
    """A client's connection."""

    origin: str
    """Scheme, host and port of this server as the client knows them."""

    def post(self, frame: Frame) -> None:
        """Queue a message."""

    def close(self, code: int | None, reason: str) -> None:
        """Close the connection; without a closing frame if ``code`` is None."""


@dataclass(eq=False)
class Execution:
    """One execution. ``listener`` is the connection that gets its messages; None for an orphan."""

    request: ExecuteMessage
    listener: SqlListener | None
    key: str = field(default_factory=new_id)
    """Its name in the engine. Unlike a client's id it is unique."""
    state: str = RUNNING
    message: str = ""
    executed: Executed | None = None
    cancelling: bool = False
    task: asyncio.Task[None] | None = None
    grace: asyncio.TimerHandle | None = None

    @property
    def id(self) -> str:
        return self.request.execution_id

    @property
    def is_running(self) -> bool:
        return self.state == RUNNING

    def send(self, frame: Frame) -> None:
        if self.listener is not None:
            self.listener.post(frame)

    def end(self, state: str, message: str = "") -> None:
        self.state, self.message = state, message[:_LONGEST_MESSAGE]
        self.end_grace()
        self.request = self.request.model_copy(update={"statement": self.request.statement[:_LONGEST_STATEMENT]})

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
            "statement": self.request.statement,
            "state": self.state,
            "message": self.message,
            "has_listener": self.listener is not None,
            "result_uri": self.executed.result_uri if self.executed else None,
        }


class Executions:
    """The executions of one session. Belongs to one event loop. ``on_death`` is called with the reason when the
    engine has ended."""

    def __init__(
        self,
        engine: Engine,
        rules: Callable[[], Behaviour],
        *,
        stored: StoredResults,
        on_death: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._rules = rules
        self._stored = stored
        self._on_death = on_death
        self._known: OrderedDict[str, Execution] = OrderedDict()
        self._running: set[Execution] = set()
        self._history: list[Execution] = []

    def execute(self, request: ExecuteMessage, listener: SqlListener) -> bool:
        """Start a statement. Returns False if its id has been used and cannot be used again."""
        is_used = any(known.id == request.execution_id for known in self._history)
        if is_used and self._rules().sql_used_execution_id == "refused":
            listener.post(error_frame(request.execution_id, "Execution already exists"))
            return False
        replaced = self._known.pop(request.execution_id, None)
        if replaced is not None:
            self._let_go(replaced)
        execution = Execution(request, listener)
        self._known[execution.id] = execution
        self._history.append(execution)
        del self._history[:-_REMEMBERED]
        self._running.add(execution)
        while len(self._known) > _KEPT:
            self.evict(next(iter(self._known)))
        execution.send(state_frame(execution.id, execution.state))
        execution.task = asyncio.get_running_loop().create_task(self._run(execution))
        return True

    async def retrieve(self, request: RetrieveMessage, listener: SqlListener) -> None:
        execution = self._known.get(request.execution_id)
        if execution is None:
            listener.post(error_frame(request.execution_id, NOT_FOUND))
            return
        self._known.move_to_end(execution.id)
        more: dict[str, Any] = {}
        rules = self._rules()
        if rules.sql_attach:
            more = self._address(execution, listener)
            if request.attach:
                execution.adopt(listener)
                more["attached"] = True
        state = execution.state
        try:
            form = ResultForm(request.format, request.compression, request.geometry)
            results, file = await self._results(execution, form)
        except EngineDiedError as error:
            self._on_death(str(error))
            return
        except EngineError as error:
            listener.post(error_frame(execution.id, str(error)))
            return
        listener.post(result_frame(execution.id, state, results, file, **more))
        if state == FAILED:
            listener.post(error_frame(execution.id, execution.message))

    def cancel(self, execution_id: str, listener: SqlListener) -> bool:
        """Cancel an execution. Returns False if it is unknown, has ended or is being cancelled."""
        execution = self._known.get(execution_id)
        if execution is not None and execution.is_running:
            return self._cancel(execution)
        rule = self._rules().sql_needless_cancel
        if rule == "state":
            state = CANCELLED if execution is None else execution.state
            listener.post(state_frame(execution_id, state))
        elif rule == "error":
            text = NOT_FOUND if execution is None else f"Execution is already {execution.state}"
            listener.post(error_frame(execution_id, text))
        return False

    def detach(self, listener: SqlListener, *, was_clean: bool = False) -> None:
        """Handle the end of a connection. Its statements are cancelled if nobody takes them over. ``was_clean``: its
        client has closed it with a closing frame.
        """
        rules = self._rules()
        grace = rules.sql_orphan_grace_seconds
        if was_clean and rules.sql_clean_close == "cancels":
            grace = 0.0
        for execution in [known for known in self._running if known.listener is listener]:
            execution.listener = None
            if grace is not None:
                execution.grace = asyncio.get_running_loop().call_later(grace, partial(self._cancel, execution))
        for execution in self._known.values():
            if execution.listener is listener:
                execution.listener = None

    def evict(self, execution_id: str) -> bool:
        """Forget an execution, and return whether it was known. If it runs, it continues."""
        execution = self._known.pop(execution_id, None)
        if execution is not None:
            self._let_go(execution)
        return execution is not None

    async def end(self) -> None:
        """Cancel everything without sending messages."""
        tasks = [execution.task for execution in self._running if execution.task is not None]
        for execution in self._running:
            execution.listener = None
            execution.end_grace()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the newest executions for tests, oldest first, including evicted ones."""
        return [
            {**execution.as_json(), "is_known": self._known.get(execution.id) is execution}
            for execution in self._history
        ]

    async def _run(self, execution: Execution) -> None:
        request = execution.request
        try:
            target = None if request.store is None else self._stored.target(request.store, execution.key)
            execution.executed = await self._engine.execute(
                execution.key, request.statement, target, self._rules().sql_max_rows, partial(self._progress, execution)
            )
            execution.end(SUCCEEDED)
        except asyncio.CancelledError:
            execution.end(CANCELLED)
        except EngineDiedError as error:
            execution.end(FAILED, str(error))
            self._on_death(str(error))
        except EngineError as error:
            execution.end(FAILED, str(error))
        except Exception as error:
            _log.exception("The engine of a SQL session failed")
            execution.end(FAILED, f"internal error of the local server: {error}")
        finally:
            self._running.discard(execution)
        if self._known.get(execution.id) is not execution:
            self._engine.forget(execution.key)
        stored = {} if execution.listener is None else self._address(execution, execution.listener)
        execution.send(state_frame(execution.id, execution.state, **stored))
        if execution.state == FAILED:
            execution.send(error_frame(execution.id, execution.message))

    def _cancel(self, execution: Execution) -> bool:
        if execution.cancelling or execution.task is None:
            return False
        execution.cancelling = True
        # Not at once: a task that has not begun would never run, and not report its end.
        asyncio.get_running_loop().call_soon(execution.task.cancel)
        return True

    def _let_go(self, execution: Execution) -> None:
        if not execution.is_running:
            self._engine.forget(execution.key)

    def _progress(self, execution: Execution, total: int, completed: int, active: int) -> None:
        if execution.request.enable_progress_events and execution.is_running:
            execution.send(progress_frame(execution.id, total, completed, active))

    async def _results(
        self, execution: Execution, form: ResultForm
    ) -> tuple[dict[str, Any], BinaryIO] | tuple[None, None]:
        """Return what is said about a result, and the file with its bytes."""
        executed = execution.executed
        if executed is None or execution.request.store is not None:
            return None, None
        if not executed.has_columns and self._rules().sql_results_of_ddl == "null":
            return None, None
        serialized = await self._engine.retrieve(execution.key, form)
        said = {
            "format": form.format,
            "compression": form.compression,
            "geometry": form.geometry,
            "geo_columns": list(serialized.geo_columns),
        }
        return said, serialized.file

    def _address(self, execution: Execution, listener: SqlListener) -> dict[str, Any]:
        """Return ``result_uri`` and ``size`` of a stored result."""
        request, executed = execution.request.store, execution.executed
        if request is None or executed is None:
            return {}
        return self._stored.shown(request, executed, listener.origin)
