"""Removes old runs, unused virtual environments and what a reset has moved from the disk."""

from __future__ import annotations

import asyncio
import logging
import time

from wherobots_local.execution.virtual_environments import EnvironmentCache
from wherobots_local.files.emptying import Emptying
from wherobots_local.runs.registry import RunRegistry
from wherobots_local.runs.retention import Retention
from wherobots_local.runs.store import RunStore

_log = logging.getLogger(__name__)


class Housekeeper:
    """Removes what is no longer kept, when it is called, one round at a time. Belongs to one event loop."""

    def __init__(
        self,
        registry: RunRegistry,
        store: RunStore,
        environments: EnvironmentCache,
        emptying: Emptying,
        retention: Retention,
    ) -> None:
        self._registry = registry
        self._store = store
        self._environments = environments
        self._emptying = emptying
        self._retention = retention
        self._task: asyncio.Task[None] | None = None
        self._asked = False
        self._stopping = False

    def tidy_soon(self) -> None:
        """Begin a round, or another one after the present round. Returns at once."""
        self._asked = True
        if self._task is None and not self._stopping:
            self._task = asyncio.get_running_loop().create_task(self._tidy())

    async def stop(self) -> None:
        """Wait for the end of the present removal. The next server does the rest."""
        self._stopping = True
        if self._task is not None:
            await self._task

    async def _tidy(self) -> None:
        try:
            while self._asked and not self._stopping:
                self._asked = False
                await self._round()
        except Exception:
            _log.exception("Old runs and virtual environments could not be removed")
        finally:
            self._task = None

    async def _round(self) -> None:
        for run in self._retention.expired(self._registry.runs, time.time()):
            if self._stopping:
                return
            self._registry.forget(run)
            await asyncio.to_thread(self._store.remove, run.id)
        unused = self._retention.seconds
        await asyncio.to_thread(self._store.remove_nameless, time.time() - unused)
        await asyncio.to_thread(self._environments.remove_unused, unused)
        await asyncio.to_thread(self._emptying.remove_kept, time.time() - unused)
