"""Exactly one run per try, although the API has no idempotency key and names are not unique.

A request that certainly did not arrive is repeated. If the response was lost or unclear, the run is looked up by the
suffix of its name, which is unique to this task instance, before anything is sent again. If the run shows only after
the create was sent again, :mod:`~airflow_provider_wherobots.flows.twins` finds it. A create that is refused because the
organization is full is repeated as long as :class:`~airflow_provider_wherobots.flows.quota.QuotaWait` allows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, QuotaError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import COMPLETED, Run
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_run_or_raise
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, attempt, now
from airflow_provider_wherobots.flows.list_runs import find_runs
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaRefusals, QuotaWait
from airflow_provider_wherobots.flows.retry import (
    DEFAULT_MAX_OUTAGE_SECONDS,
    REFUSED_SECONDS,
    Outage,
    repeat,
    wait_out,
)
from airflow_provider_wherobots.flows.run_name import durable_suffix
from airflow_provider_wherobots.flows.upload import NO_UPLOADS, FileUploads

LOOK_UP_DELAYS = (0.5, 1.0, 2.0, 3.0, 3.5)
"""Seconds before each look for a run whose create response was lost: about ten in all, as List Runs may lag."""
CLOCK_MARGIN_SECONDS = 60.0
"""How far the service's clock may be behind, so that a run of this try is not taken for an older one."""
_PARENT_IN_LINEAGE = tuple(f"environment.sparkConfigs.spark.openlineage.{key}" for key in ("parent", "rootParent"))


class UnclearCreateError(WherobotsApiError):
    """It is unknown whether the run was created. If the task is durable, its next try looks it up by its name first."""

    transient = True


class NotReplacedError(WherobotsApiError):
    """The run of the previous try could not be cancelled, so it stays active and no run was created."""

    transient = True

    def __init__(self, run: Run, cause: WherobotsApiError) -> None:
        super().__init__(
            cause.operation,
            f"the task was cleared, but run {run.id} of its previous try could not be cancelled ({cause}); "
            "no new run was created",
        )


@dataclass(frozen=True, slots=True)
class Submission:
    """The run of this try.

    ``may_have_twin``: a create without a response may have started another run, which does not show yet.
    """

    run: Run
    reattached: bool
    may_have_twin: bool = False


def submit_run(
    payload: Mapping[str, Any],
    region: str | None = None,
    *,
    durable: bool = True,
    look_first: bool = False,
    expects_run: bool = False,
    replace: bool = False,
    reuse_completed: bool = False,
    reuse_ended: bool = False,
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    quota: QuotaWait | None = None,
    uploads: FileUploads = NO_UPLOADS,
) -> Flow[Submission | AwaitingQuota]:
    """Create the run, or attach to the one that this task instance already has.

    With ``durable`` the suffix of its name must be unique to this task instance. ``look_first``: there may be a run of
    an earlier try or create; False saves a call. ``expects_run``: an earlier try has had one, so it is looked for as
    long as that of a lost response. ``replace`` cancels such a run first, as after a clear; ``reuse_completed`` also
    takes the newest run if it has completed, and ``reuse_ended`` however it has ended. Only after an
    ``UnclearCreateError`` may there be a run. Returns the wait instead, if ``quota`` hands it over.
    """
    wait = quota or QuotaWait()
    began_at = None if look_first else (yield from now())
    create = _Create(payload["name"], durable, max_outage_seconds, set(wait.passed_over), began_at)
    if durable and look_first:
        runs = yield from create.find_new()
        for delay in LOOK_UP_DELAYS if expects_run else ():
            if runs:
                break
            yield Sleep(delay)
            runs = yield from create.find_new()
        if wait.unclear and runs:
            # A create of this try, whose response was lost, has created it. It counts even if it has ended since.
            yield Note(logging.INFO, f"The create call whose response was lost has created run {runs[0].id}")
            return Submission((yield from _keep_oldest(runs)), reattached=False)
        active = [run for run in runs if run.is_active]
        if runs and not active and (reuse_ended or (reuse_completed and runs[-1].status == COMPLETED)):
            yield Note(logging.INFO, f"Run {runs[-1].id} has already ended ({runs[-1].status}); it is not repeated")
            return Submission(runs[-1], reattached=not reuse_ended)
        if active and not replace:
            run = yield from _keep_oldest(active)
            yield from _note_reattached(run, (yield from uploads.compare(payload, run.payload)))
            return Submission(run, reattached=True)
        for run in active:
            yield Note(logging.INFO, f"The task was cleared: its run {run.id} is cancelled and replaced")
            try:
                yield from cancel_run_or_raise(run.id, max_outage_seconds)
            except WherobotsApiError as error:
                raise NotReplacedError(run, error) from error
        create.before.update(run.id for run in runs)
    to_send = yield from uploads.upload(payload)
    created = yield from create.once(calls.create_run(to_send, region), wait)
    if isinstance(created, AwaitingQuota):
        return created
    return Submission(created, reattached=False, may_have_twin=create.may_have_twin)


class _Create:
    """One create call, repeated until there is a run, but never so that there are two.

    ``began_at`` is when the try began, if no earlier one may have left a run: then an older run is that of another DAG
    run with the same id.
    """

    def __init__(
        self,
        name: str,
        durable: bool,
        max_outage_seconds: float,
        before: set[str],
        began_at: float | None,
    ) -> None:
        self.before = before
        self._began_at = began_at
        self._suffix = durable_suffix(name)
        self._durable = durable
        self._max_outage_seconds = max_outage_seconds
        self._unclear = 0
        """How many creates may have created a run that was not found, as their responses were lost."""

    def once(self, call: Call[Run], wait: QuotaWait) -> Flow[Run | AwaitingQuota]:
        """Send it until there is a run."""
        outage, refusals, self._unclear = Outage(self._max_outage_seconds), QuotaRefusals(wait), int(wait.unclear)
        while True:
            try:
                run = yield from attempt(call)
            except QuotaError as error:
                outage.over((yield from now()))
                # The quota may be used up by the very run whose create had no response.
                if self._unclear and (found := (yield from self.find_new())):
                    return (yield from self._keep(found))
                try:
                    pause = yield from refusals.refused(error)
                except QuotaNotFreedError as failure:
                    if not self._unclear:
                        raise
                    raise self._unclear_failure(failure) from error
                if isinstance(pause, AwaitingQuota):
                    wait = replace(pause.wait, passed_over=sorted(self.before), unclear=self.may_have_twin)
                    return replace(pause, wait=wait)
                yield pause
                if self._unclear and (found := (yield from self.find_new())):
                    return (yield from self._keep(found))
            except WherobotsApiError as error:
                if error.arrival is Arrival.UNCLEAR and (found := (yield from self._look_up(error))):
                    return (yield from self._keep(found))
                yield from self._wait_out(outage, error)
            else:
                return (yield from self._settle(run)) if self._unclear else run

    @property
    def may_have_twin(self) -> bool:
        """Whether a create whose response was lost may have created a run that was not found."""
        return self._unclear > 0

    def find_new(self, refused_seconds: float = REFUSED_SECONDS) -> Flow[list[Run]]:
        """The task's runs, without those that existed before, oldest first."""
        runs = yield from repeat(
            lambda: find_runs(self._suffix), self._max_outage_seconds, refused_seconds=refused_seconds
        )
        return [run for run in runs if run.id not in self.before and not self._is_older(run)]

    def _is_older(self, run: Run) -> bool:
        if self._began_at is None or run.create_time is None:
            return False
        began_at = datetime.fromtimestamp(self._began_at, UTC)
        has_ended = run.complete_time is not None and run.complete_time < began_at
        return has_ended or (began_at - run.create_time).total_seconds() > CLOCK_MARGIN_SECONDS

    def _keep(self, found: Sequence[Run]) -> Flow[Run]:
        self._unclear -= len(found)
        return (yield from _keep_oldest(found))

    def _look_up(self, cause: WherobotsApiError) -> Flow[list[Run]]:
        """Look for the run of a create whose response was lost or unclear."""
        self._unclear += 1
        if not self._durable:
            raise _unclear(cause, "it cannot be looked up by its name (durable=False)") from cause
        yield Note(logging.WARNING, f"{cause}; the run may exist. Looking it up by its name *{self._suffix}")
        for delay in LOOK_UP_DELAYS:
            yield Sleep(delay)
            try:
                found = yield from self.find_new()
            except WherobotsApiError as error:
                raise _unclear(cause, f"looking it up failed too ({error})") from error
            if found:
                yield Note(logging.INFO, f"The create call whose response was lost has created run {found[0].id}")
                return found
        return []

    def _wait_out(self, outage: Outage, error: WherobotsApiError) -> Flow[None]:
        try:
            yield from wait_out(outage, error)
        except WherobotsApiError:
            if self._unclear:
                raise self._unclear_failure(error) from error
            raise

    def _unclear_failure(self, error: WherobotsApiError) -> UnclearCreateError:
        return _unclear(error, "no run with its name has been found so far")

    def _settle(self, run: Run) -> Flow[Run]:
        """Keep one run: the create was repeated because no run was found, but there may be one after all."""
        try:
            runs = yield from self.find_new(refused_seconds=0.0)
        except WherobotsApiError as error:
            yield Note(logging.WARNING, f"Could not check that {run.id} is the only run named *{self._suffix}: {error}")
            return run
        mine = {found.id: found for found in runs}
        mine.setdefault(run.id, run)
        self._unclear += 1
        return (yield from self._keep(list(mine.values())))


def _keep_oldest(runs: Sequence[Run]) -> Flow[Run]:
    oldest, *newer = runs
    for run in newer:
        if run.is_active:
            yield Note(
                logging.WARNING,
                f"Runs {oldest.id} and {run.id} both belong to this task; the newer one is cancelled",
            )
            yield from cancel_run(run.id)
    return oldest


def _note_reattached(run: Run, payload: Mapping[str, Any]) -> Flow[None]:
    yield Note(logging.INFO, f"Re-attached to run {run.id} ({run.status}), started by an earlier try of this task")
    differing = differing_fields(payload, {"name": run.name, **run.payload})
    if differing:
        yield Note(
            logging.WARNING,
            f"Run {run.id} differs from what this try would create ({', '.join(differing)}); the task keeps it",
        )


def _unclear(cause: WherobotsApiError, why: str) -> UnclearCreateError:
    return UnclearCreateError(cause.operation, f"it is unclear whether the run was created: {cause}; {why}")


def differing_fields(sent: Mapping[str, Any], echoed: Mapping[str, Any]) -> list[str]:
    """The fields in which a run differs from what this try would create.

    The service has added its defaults to ``echoed``, so fields that are not sent do not count. Nor does the run's
    parent in OpenLineage: it stays the try that created the run.
    """
    return sorted(name for name in _differences(sent, echoed, "") if not name.startswith(_PARENT_IN_LINEAGE))


def _differences(sent: Any, echoed: Any, path: str) -> list[str]:
    if isinstance(sent, Mapping) and isinstance(echoed, Mapping):
        return [
            found
            for key, value in sent.items()
            if value is not None
            for found in _differences(value, echoed.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(sent, list) and isinstance(echoed, list) and len(sent) == len(echoed):
        return [path] if any(_differences(a, b, path) for a, b in zip(sent, echoed, strict=True)) else []
    return [] if sent == echoed else [path]
