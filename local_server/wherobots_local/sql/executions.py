"""The executions of a session: begun, remembered for a while, retrieved, taken over and cancelled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from wherobots_local.api.sql_requests import ExecuteMessage, RetrieveMessage, StoreWish
from wherobots_local.control.behaviour import Behaviour
from wherobots_local.files.presigned import UrlSigner
from wherobots_local.files.sources import USER_FILES
from wherobots_local.sql.engine import Engine, EngineDiedError, EngineError, ResultForm, StoreTarget
from wherobots_local.sql.execution import CANCELLED, FAILED, SUCCEEDED, Execution, SqlListener
from wherobots_local.sql.frames import NOT_FOUND, error_frame, progress_frame, result_frame, results_of, state_frame
from wherobots_local.storage import SCHEME

_log = logging.getLogger(__name__)

_STORE_FOLDER = "sql-results"
"""The folder of stored results in the user's managed storage."""
_KNOWN = 16
"""How many executions a session knows. Older ones are not found, also if they still run."""
_REMEMBERED = 1000
"""How many executions tests can look back at."""


class Executions:
    """The executions of one session. Belongs to one event loop.

    ``on_death`` is called with the reason if the engine ended by itself.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Callable[[], Behaviour],
        *,
        signer: UrlSigner,
        on_death: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._rules = rules
        self._signer = signer
        self._on_death = on_death
        self._known: OrderedDict[str, Execution] = OrderedDict()
        self._running: set[Execution] = set()
        self._history: list[Execution] = []

    def execute(self, wish: ExecuteMessage, listener: SqlListener) -> None:
        """Begin to execute a statement. One whose id has been used takes the place of the earlier one."""
        replaced = self._known.pop(wish.execution_id, None)
        if replaced is not None:
            self._let_go(replaced)
        execution = Execution(wish, listener)
        self._known[execution.id] = execution
        self._history.append(execution)
        del self._history[:-_REMEMBERED]
        self._running.add(execution)
        while len(self._known) > _KNOWN:
            self.evict(next(iter(self._known)))
        execution.tell(state_frame(execution.id, execution.state))
        execution.task = asyncio.get_running_loop().create_task(self._run(execution))

    async def retrieve(self, wish: RetrieveMessage, listener: SqlListener) -> None:
        execution = self._known.get(wish.execution_id)
        if execution is None:
            listener.post(error_frame(wish.execution_id, NOT_FOUND), "")
            return
        self._known.move_to_end(execution.id)
        more: dict[str, Any] = {}
        rules = self._rules()
        if rules.sql_attach:
            more = self._address(execution, listener)
            if wish.attach:
                execution.adopt(listener)
                more["attached"] = True
        state = execution.state
        try:
            results = await self._results(execution, ResultForm(wish.format, wish.compression, wish.geometry))
        except EngineDiedError as error:
            self._on_death(str(error))
            return
        except EngineError as error:
            listener.post(error_frame(execution.id, str(error)), execution.wish.statement)
            return
        listener.post(result_frame(execution.id, state, results, **more), execution.wish.statement)
        if state == FAILED:
            listener.post(error_frame(execution.id, execution.message), execution.wish.statement)

    def cancel(self, execution_id: str, listener: SqlListener) -> bool:
        """Cancel an execution. Returns False if it is unknown, has ended or is being cancelled."""
        execution = self._known.get(execution_id)
        if execution is not None and execution.is_running:
            return self._cancel(execution)
        rule = self._rules().sql_needless_cancel
        if rule == "state":
            state = CANCELLED if execution is None else execution.state
            listener.post(state_frame(execution_id, state), "")
        elif rule == "error":
            text = NOT_FOUND if execution is None else f"Execution is already {execution.state}"
            listener.post(error_frame(execution_id, text), "")
        return False

    def detach(self, listener: SqlListener) -> None:
        """Note that a connection has ended. What runs is cancelled later, unless another connection takes it over."""
        grace = self._rules().sql_orphan_grace_seconds
        for execution in {*self._running, *self._known.values()}:
            if execution.listener is listener:
                execution.listener = None
                if execution.is_running and grace is not None:
                    later = asyncio.get_running_loop().call_later
                    execution.grace = later(grace, partial(self._cancel, execution))

    def evict(self, execution_id: str) -> bool:
        """Forget an execution, and return whether it was known. If it runs, it continues."""
        execution = self._known.pop(execution_id, None)
        if execution is not None:
            self._let_go(execution)
        return execution is not None

    async def end(self) -> None:
        """End all that runs, without telling anybody."""
        tasks = [execution.task for execution in self._running if execution.task is not None]
        for execution in self._running:
            execution.listener = None
            execution.end_grace()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def as_json(self) -> list[dict[str, Any]]:
        """Show the newest executions to tests, oldest first, those that were evicted too."""
        return [
            {**execution.as_json(), "is_known": self._known.get(execution.id) is execution}
            for execution in self._history
        ]

    async def _run(self, execution: Execution) -> None:
        wish = execution.wish
        try:
            target = None if wish.store is None else _target(wish.store, execution.key)
            execution.executed = await self._engine.execute(
                execution.key, wish.statement, target, self._rules().sql_max_rows, partial(self._progress, execution)
            )
            execution.state = SUCCEEDED
        except asyncio.CancelledError:
            execution.state = CANCELLED
        except EngineDiedError as error:
            execution.state, execution.message = FAILED, str(error)
            self._on_death(str(error))
        except EngineError as error:
            execution.state, execution.message = FAILED, str(error)
        except Exception as error:
            _log.exception("The engine of a SQL session failed")
            execution.state, execution.message = FAILED, f"internal error of the local server: {error}"
        finally:
            self._running.discard(execution)
            execution.end_grace()
        if self._known.get(execution.id) is not execution:
            self._engine.forget(execution.key)
        stored = {} if execution.listener is None else self._address(execution, execution.listener)
        execution.tell(state_frame(execution.id, execution.state, **stored))
        if execution.state == FAILED:
            execution.tell(error_frame(execution.id, execution.message))

    def _cancel(self, execution: Execution) -> bool:
        if execution.cancelling or execution.task is None:
            return False
        execution.cancelling = True
        delay = self._rules().sql_cancel_delay_seconds
        asyncio.get_running_loop().call_later(delay, execution.task.cancel)
        return True

    def _let_go(self, execution: Execution) -> None:
        if not execution.is_running:
            self._engine.forget(execution.key)

    def _progress(self, execution: Execution, total: int, completed: int, active: int) -> None:
        if execution.wish.enable_progress_events and execution.is_running:
            execution.tell(progress_frame(execution.id, total, completed, active))

    async def _results(self, execution: Execution, form: ResultForm) -> dict[str, Any] | None:
        executed = execution.executed
        if executed is None or execution.wish.store is not None:
            return None
        if not executed.has_columns and self._rules().sql_results_of_ddl == "null":
            return None
        return results_of(await self._engine.retrieve(execution.key, form), form)

    def _address(self, execution: Execution, listener: SqlListener) -> dict[str, Any]:
        """``result_uri``, which is None if there were no rows, and ``size`` of a stored result, if it is known."""
        wish, executed = execution.wish.store, execution.executed
        if wish is None or executed is None:
            return {}
        uri = executed.result_uri
        if uri is not None and wish.generate_presigned_url:
            uri = self._signer.url(listener.origin, "GET", uri.removeprefix(SCHEME), time.time())
        return {"result_uri": uri, **({} if executed.size is None else {"size": executed.size})}


def _target(wish: StoreWish, key: str) -> StoreTarget:
    if wish.generate_presigned_url and not wish.single:
        raise EngineError("generate_presigned_url needs single: only one file can have a presigned URL")
    return StoreTarget(wish.format, wish.single, USER_FILES.address(f"{_STORE_FOLDER}/{key}"), wish.options)
