"""The state of one local server, and what its operations for runs do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.queries import ListQuery, LogsQuery, checked_region
from wherobots_local.api.requests import CreateRunRequest
from wherobots_local.control.faults import FaultRules
from wherobots_local.control.journal import Journal
from wherobots_local.execution.runner import Runner
from wherobots_local.execution.virtual_environments import EnvironmentCache
from wherobots_local.execution.workspace import locked, own_folder, remove_temporary_of_killed
from wherobots_local.files.contents import Emptying
from wherobots_local.files.uploads import Uploads, UrlSigner
from wherobots_local.housekeeping import Housekeeper
from wherobots_local.runs.registry import RunRegistry
from wherobots_local.runs.run import LocalRun
from wherobots_local.runs.store import RunStore
from wherobots_local.settings import ServerSettings, SettingsError
from wherobots_local.sql.database.engine import Database, DatabaseEngine
from wherobots_local.sql.database.initial import execute_file
from wherobots_local.sql.database.process import database_folder
from wherobots_local.sql.engine import Engine
from wherobots_local.sql.session import SqlSessions
from wherobots_local.sql.stored import StoredResults
from wherobots_local.sql.synthetic import Answers, SyntheticEngine
from wherobots_local.storage import OWN_FOLDER, RUNS_FOLDER
from wherobots_local.views.runs import log_page, run_page


class LocalService:
    """Belongs to one event loop."""

    def __init__(self, settings: ServerSettings, on_change: Callable[[LocalRun], None] | None = None) -> None:
        self.api_key = settings.api_key
        self.root = settings.root
        self.behaviour = self._first_behaviour = settings.behaviour
        self.url_signer = UrlSigner()
        self.faults = FaultRules()
        self.journal = Journal()
        try:
            own = own_folder(settings.root)
            self._lock = locked(own)
        except BlockingIOError:
            raise SettingsError(f"root is {str(settings.root)!r}, which another local server uses") from None
        except OSError as error:
            raise SettingsError(
                f"root is {str(settings.root)!r}, but the server cannot keep its own files there, in {OWN_FOLDER}:"
                f" {error.strerror}"
            ) from None
        remove_temporary_of_killed(settings.root)
        self.uploads = Uploads(settings.root)
        self.sql_answers = Answers()
        stored = StoredResults(self.url_signer)
        self._database = Database(settings.root)
        self.sql_sessions = SqlSessions(self._sql_engine, lambda: self.behaviour, stored=stored)
        store = self._store = RunStore(own / RUNS_FOLDER, settings.max_log_bytes)
        self.registry = RunRegistry(store, store.load(), on_change)
        environments = EnvironmentCache(own / "environments")
        self._emptying = Emptying(settings.root, database_folder(settings.root))
        self._housekeeper = Housekeeper(
            self.registry, store, environments, self._emptying, settings.keep_runs, settings.keep_days
        )
        self._resetting = asyncio.Lock()
        self._init = settings.init
        self.runner = Runner(
            settings.root,
            max_parallel_runs=settings.max_parallel_runs,
            environments=environments,
            behaviour=lambda: self.behaviour,
            on_end=self._housekeeper.tidy_soon,
            passed_environment=settings.passed_environment,
        )

    def start(self) -> None:
        self._housekeeper.tidy_soon()

    async def make_tables(self) -> None:
        """Execute the statements of ``init``. A wrong one is a ``SettingsError``."""
        if self._init is not None:
            await execute_file(self._init, self._database)

    def give_up(self) -> None:
        """Release the root, for a server that never started."""
        self._lock.close()

    async def stop(self) -> None:
        """End all runs and SQL sessions, and write the records for the next server on this root."""
        await self.sql_sessions.end_all("the local server ends")
        await self.runner.end_all("The local server was stopped")
        await self._housekeeper.stop()
        self.registry.save()
        self._lock.close()

    async def settled(self) -> None:
        """Wait for a reset that is running. None begins before the caller's next ``await``."""
        async with self._resetting:
            pass

    async def reset(self, *, storage: bool = True) -> None:
        """Return to the state of a new server on an empty root, with the first switches and key. It is a 409 if a part
        of the storage cannot be removed. Everything else is reset then, except the key."""
        async with self._resetting:
            self.uploads.end_all()
            reason = "the local server was reset"
            await asyncio.gather(self.sql_sessions.end_all(reason), self.runner.end_all(reason.capitalize()))
            self.registry.clear()
            await asyncio.to_thread(self._store.remove_all)
            problems = list(await asyncio.to_thread(self._emptying.empty)) if storage else []
            if storage and not problems:
                try:
                    await self.make_tables()
                except SettingsError as error:
                    problems.append(str(error))
            # No `await` from here on: no request sees a half-done reset.
            self.url_signer.expire_all()
            self.faults.clear()
            self.sql_answers.given.clear()
            self.journal = Journal()
            self.behaviour = self._first_behaviour
            if not problems:
                self.api_key.restore()
        if problems:
            raise ApiError(
                409,
                f"the server was reset, except its storage: {'; '.join(problems)}",
                "Mend that by hand, and reset again. The key is still the one that was sent.",
            )

    def create(self, request: CreateRunRequest, region: str | None, *, synthetic: bool = False) -> LocalRun:
        """Create and start a run. A ``synthetic`` run has no process."""
        synthetic = synthetic or self.behaviour.synthetic_runs
        run = self.registry.create(request, checked_region(region), synthetic=synthetic)
        if not synthetic:
            self.runner.submit(run)
        return run

    def fail(self, run_id: str, message: str) -> None:
        """Let a run that was just created end FAILED with this message, in place of its script."""
        run = self.registry.get(run_id)
        run.failure = message
        if run.synthetic:
            self.runner.submit(run)

    def cancel(self, run: LocalRun) -> bool:
        """Request the cancel of a run. Returns False if one was requested before."""
        if run.ended and self.behaviour.cancel_finished_status == 409:
            raise ApiError(409, f"the run {run.id} cannot be cancelled: it is {run.status}")
        return self.runner.request_cancel(run)

    def _sql_engine(self, session_id: str) -> Engine:
        if self.behaviour.sql_synthetic:
            return SyntheticEngine(self.root, self.sql_answers)
        return DatabaseEngine(session_id, self._database)

    def list_page(self, query: ListQuery) -> dict[str, Any]:
        return run_page(self.registry.runs, query, self.behaviour, time.monotonic())

    def log_page(self, run: LocalRun, query: LogsQuery) -> dict[str, Any]:
        """Return a page of a run's log. It is a 404 if the script has removed the folder of its log."""
        most = self.behaviour.log_max_size
        if query.size > most and self.behaviour.log_oversize == "refused":
            raise ApiError(422, [Problem(f"size is {query.size}, but must be {most} or less", "size")])
        try:
            return log_page(run.log.lines, query, self.behaviour, time.monotonic())
        except (OSError, LookupError) as error:
            raise ApiError(404, f"the log of the run {run.id} cannot be read: {error}") from None
