"""All runs that the server knows, in the order of their creation."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wherobots.local.api.create_request import CreateRunRequest
from airflow_provider_wherobots.local.api.errors import ApiError
from airflow_provider_wherobots.local.runs.run import LocalRun


class RunRegistry:
    """Keeps runs until the server stops."""

    def __init__(self) -> None:
        self._runs: list[LocalRun] = []
        self._by_id: dict[str, LocalRun] = {}

    @property
    def runs(self) -> Sequence[LocalRun]:
        """All runs, oldest first."""
        return self._runs

    def create(self, request: CreateRunRequest, region: str, *, synthetic: bool = False) -> LocalRun:
        """Add a new run.

        :param request: the checked create request.
        :param region: the region it was created in.
        :param synthetic: whether it has no process; default False.
        :returns: the run, PENDING.
        """
        run = LocalRun(request=request, region=region, sequence=len(self._runs), synthetic=synthetic)
        self._runs.append(run)
        self._by_id[run.id] = run
        return run

    def get(self, run_id: str) -> LocalRun:
        """Find a run by its id.

        :raises ApiError: 404 if there is none.
        """
        run = self._by_id.get(run_id)
        if run is None:
            raise ApiError(404, f"there is no run with the id {run_id!r}", "Check the id of the run.")
        return run
