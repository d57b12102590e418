"""Removes old runs, unused virtual environments, and storage that a reset has moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from wherobots_local.execution.virtual_environments import EnvironmentCache
from wherobots_local.files.contents import Emptying
from wherobots_local.runs.registry import RunRegistry
from wherobots_local.runs.run import LocalRun
from wherobots_local.runs.store import RunStore

_log = logging.getLogger(__name__)

DEFAULT_KEEP_RUNS = 200
DEFAULT_KEEP_DAYS = 14.0

SPARED_SECONDS = 3600.0
"""A run is kept at least this long after its end, so that clients see how it ended."""

_DAY_SECONDS = 24 * 3600


class Housekeeper:
    """Removes what is no longer kept, one round at a time. Belongs to one event loop.

    ``keep_runs`` is how many of the newest ended runs are kept, and ``keep_days`` for how many days.
    """

    def __init__(
        self,
        registry: RunRegistry,
        store: RunStore,
        environments: EnvironmentCache,
        emptying: Emptying,
        keep_runs: int,
        keep_days: float,
    ) -> None:
        self._registry = registry
        self._store = store
        self._environments = environments
        self._emptying = emptying
        self._keep_runs = keep_runs
        self._keep_seconds = max(keep_days * _DAY_SECONDS, SPARED_SECONDS)
        self._task: asyncio.Task[None] | None = None
        self._requested = False
        self._stopping = False

    def tidy_soon(self) -> None:
        """Start a round now, or after the current round."""
        self._requested = True
        if self._task is None and not self._stopping:
            self._task = asyncio.get_running_loop().create_task(self._tidy())

    async def stop(self) -> None:
        """Wait for the current removal. The next server does the rest."""
        self._stopping = True
        if self._task is not None:
            await self._task

    async def _tidy(self) -> None:
        try:
            while self._requested and not self._stopping:
                self._requested = False
                await self._round()
        except Exception:
            _log.exception("Old runs and virtual environments could not be removed")
        finally:
            self._task = None

    async def _round(self) -> None:
        for run in list(self._expired()):
            if self._stopping:
                return
            self._registry.forget(run)
            await asyncio.to_thread(self._store.remove, run.id)
        await self._environments.remove_unused(self._keep_seconds)
        await asyncio.to_thread(self._emptying.remove_kept, time.time() - self._keep_seconds)

    def _expired(self) -> Iterator[LocalRun]:
        ended = [run for run in self._registry.runs if run.ended]
        for newer, run in enumerate(reversed(ended)):
            kept = self._keep_seconds if newer < self._keep_runs else SPARED_SECONDS
            if run.completed_at is not None and time.time() - run.completed_at.timestamp() > kept:
                yield run
