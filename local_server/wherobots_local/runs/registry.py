"""All runs of a server, in the order of their creation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from wherobots_local.api.errors import ApiError
from wherobots_local.api.requests import CreateRunRequest
from wherobots_local.runs.run import LocalRun, new_id
from wherobots_local.runs.store import RunStore

_SAVED_AT_ONCE = 20


class RunRegistry:
    """Keeps the runs, and writes their records when they change. Belongs to one event loop. ``earlier`` are runs of
    earlier servers, oldest first. ``on_change`` is called with each new or changed run."""

    def __init__(
        self, store: RunStore, earlier: Iterable[LocalRun] = (), on_change: Callable[[LocalRun], None] | None = None
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._by_id = {run.id: run for run in earlier}
        self._created = len(self._by_id)
        self._unsaved: dict[str, LocalRun] = {}
        self._saving = False
        for run in self._by_id.values():
            run.on_change = self._changed

    @property
    def runs(self) -> Sequence[LocalRun]:
        """All runs, oldest first."""
        return list(self._by_id.values())

    def create(self, request: CreateRunRequest, region: str, *, synthetic: bool = False) -> LocalRun:
        """Add a run as PENDING, and write its record: a run without one would be lost, so it is a 507. A ``synthetic``
        run has no process."""
        run_id = new_id()
        run = LocalRun(
            request=request,
            region=region,
            sequence=self._created,
            synthetic=synthetic,
            id=run_id,
            log=self._store.log(run_id),
        )
        try:
            self._store.write(run)
        except OSError as error:
            self._store.remove(run_id)
            raise ApiError(507, f"the run cannot be stored: {error}", "Free space on the server's disk.") from None
        self._created += 1
        self._by_id[run.id] = run
        run.on_change = self._changed
        self._notify(run)
        return run

    def get(self, run_id: str) -> LocalRun:
        """Return a run. It is a 404 if there is none."""
        run = self._by_id.get(run_id)
        if run is None:
            raise ApiError(404, f"there is no run with the id {run_id!r}", "Check the id of the run.")
        return run

    def forget(self, run: LocalRun) -> None:
        """Remove a run from the list. Its folder stays."""
        self._unsaved.pop(run.id, None)
        self._by_id.pop(run.id, None)
        run.on_change = None

    def clear(self) -> None:
        for run in self.runs:
            self.forget(run)
        self._created = 0

    def save(self) -> None:
        for run in self._unsaved.values():
            self._store.save(run)
        self._unsaved.clear()

    def _changed(self, run: LocalRun) -> None:
        self._unsaved[run.id] = run
        # Changes that belong together are written together.
        if not self._saving:
            self._saving = True
            asyncio.get_running_loop().call_soon(self._save_some)
        self._notify(run)

    def _notify(self, run: LocalRun) -> None:
        if self._on_change is not None:
            self._on_change(run)

    def _save_some(self) -> None:
        """Write a few records, so that the server responds while thousands of runs start. What cannot be written, for
        example on a full disk, is tried again with the next change."""
        self._saving = False
        some = list(islice(self._unsaved.values(), _SAVED_AT_ONCE))
        saved = [run for run in some if self._store.save(run)]
        for run in saved:
            del self._unsaved[run.id]
        if self._unsaved and len(saved) == len(some):
            self._saving = True
            asyncio.get_running_loop().call_soon(self._save_some)
