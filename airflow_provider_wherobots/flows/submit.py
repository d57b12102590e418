"""Exactly one run between two clears, although the API has no idempotency key and names are not unique.

Every try looks first: one List Runs by the identity of the task instance. What it finds, and what the task remembers of
its earlier tries (``runs/memory.py``), decide. The columns are what the try knows of the earlier ones (``Past``)::

    found      | KNOWN        NOTHING (the first)    UNKNOWN
    -----------|---------------------------------------------
    ACTIVE     | attach       replace                attach
    COMPLETED  | adopt        create                 create
    UNCLEAR    | look again   look again             look again
    NONE       | create       create                 create

UNCLEAR means that a run may exist which is in no list yet: a create was sent whose response is not known. The try looks
for it for 30 s, even if an earlier run is active. After that it goes by what the list shows. A run that failed or was
cancelled counts as NONE. An active run from before a clear is replaced in every column: it is cancelled first.

A create that did not reach the service is sent again. If the API key is refused, that goes on for a minute. If its
response was lost or unclear, the try looks for the run for 30 s before it sends anything again. A create that is
refused because the organization is full is repeated as long as
:class:`~airflow_provider_wherobots.flows.quota.QuotaWait` allows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, NotFoundError, QuotaError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import COMPLETED, Run
from airflow_provider_wherobots.api.runs.payload import redact
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.list_runs import age, find_runs, find_runs_of_task
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaRefusals, QuotaWait
from airflow_provider_wherobots.flows.retry import (
    CANCEL_BUDGET_SECONDS,
    DEFAULT_MAX_OUTAGE_SECONDS,
    REFUSED_SECONDS,
    Outage,
    repeat,
    wait_out,
)
from airflow_provider_wherobots.flows.upload import NO_UPLOADS, FileUploads
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.runs.memory import Memory, Past

T = TypeVar("T")

LOOK_AGAIN_DELAYS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0)
"""Seconds before each further look for a run that may be in no list yet: 30 in all."""
_PARENT_IN_LINEAGE = tuple(f"environment.sparkConfigs.spark.openlineage.{key}" for key in ("parent", "rootParent"))


class FoundRuns(StrEnum):
    """What a try has found of the task's runs."""

    NONE = "none"
    ACTIVE = "active"
    COMPLETED = "completed"
    UNCLEAR = "unclear"


class Decision(StrEnum):
    """What a try does about a run of the task."""

    CREATE = "create"
    ATTACH = "attach"
    REPLACE = "replace"
    ADOPT = "adopt"
    LOOK_AGAIN = "look again"


DECISIONS: Mapping[tuple[FoundRuns, Past], Decision] = {
    (FoundRuns.ACTIVE, Past.KNOWN): Decision.ATTACH,
    (FoundRuns.ACTIVE, Past.NOTHING): Decision.REPLACE,
    (FoundRuns.ACTIVE, Past.UNKNOWN): Decision.ATTACH,
    (FoundRuns.COMPLETED, Past.KNOWN): Decision.ADOPT,
    (FoundRuns.COMPLETED, Past.NOTHING): Decision.CREATE,
    (FoundRuns.COMPLETED, Past.UNKNOWN): Decision.CREATE,
    **{(FoundRuns.UNCLEAR, past): Decision.LOOK_AGAIN for past in Past},
    **{(FoundRuns.NONE, past): Decision.CREATE for past in Past},
}


class UnclearCreateError(WherobotsApiError):
    """It is unknown whether the run was created. If the task is durable, its next try looks for it first."""

    says_what_failed = True
    transient = True


class NotReplacedError(WherobotsApiError):
    """The run from before the clear could not be cancelled, so it stays active and no run was created."""

    says_what_failed = True
    transient = True

    def __init__(self, run: Run, cause: WherobotsApiError) -> None:
        super().__init__(
            cause.operation,
            f"Could not cancel the previous run {run.id} ({cause.reason}), so no new run was started. Cancel it "
            "in the console, or with the command in the log above. Then clear the task again",
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user has decided.

    :param may_replace: whether an active run from before a clear is cancelled and replaced; otherwise the task attaches
        to it.
    :param may_adopt: whether a run that has completed since the last clear is taken over; otherwise the job is
        repeated.
    :param tries_before: how many tries of the task instance there were. If what they did is unknown, and there are
        fewer runs than tries, a run may be in no list yet.
    """

    may_replace: bool = True
    may_adopt: bool = True
    tries_before: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """The run of this try."""

    run: Run
    reattached: bool


async def submit_run(
    io: Io,
    payload: Mapping[str, Any],
    region: str | None = None,
    memory: Memory | None = None,
    rules: Rules | None = None,
    *,
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    quota: QuotaWait | None = None,
    uploads: FileUploads = NO_UPLOADS,
    command: str = "",
) -> Submission | AwaitingQuota:
    """Get the run of this try: create it, or take over the one that the task has.

    :param payload: the body of ``POST /runs``. With a memory its name ends with the memory's identity.
    :param region: the query parameter of ``POST /runs``.
    :param memory: what the task remembers; it changes by ``Remember``. None if the task is not durable: then nothing is
        looked for, and a create whose response is lost fails.
    :param rules: what the user has decided; default the defaults of the operator.
    :param max_outage_seconds: how long consecutive transient failures are tolerated, in seconds; default 600.
    :param quota: how long to wait for quota; default an hour.
    :param uploads: the local files that the payload names; default none.
    :param command: the task's name for the service's client chain; default none.
    :returns: the run, or the wait for quota, if the caller is to go on with it.
    :raises UnclearCreateError: if a run may exist that was not found.
    :raises NotReplacedError: if a run from before a clear could not be cancelled.
    """
    rules = rules or Rules()
    search = None if memory is None else _Search(memory, rules, max_outage_seconds)
    if search is not None:
        taken = await _take_over(io, search, rules)
        if taken is not None:
            if taken.is_active:
                await _note_attached(io, taken, await uploads.compare(io, payload, taken.payload))
            else:
                text = f"Using run {taken.id} of an earlier attempt ({taken.status}); the job does not run again"
                await io.note(logging.INFO, text)
            return Submission(taken, reattached=True)
    to_send = await uploads.upload(io, payload)
    await io.note(logging.DEBUG, f"The create request: {json.dumps(redact(to_send))}")
    create = _Create(search, max_outage_seconds)
    if search is not None:
        await search.remember(io, search.memory.create_sent(), "The run was not created")
    try:
        created = await create.until_created(io, calls.create_run(to_send, region, command), quota or QuotaWait())
    except WherobotsApiError:
        await create.note_refused(io)
        raise
    if isinstance(created, AwaitingQuota):
        await create.note_refused(io)
        return created
    if search is not None:
        await search.has_run(io, created)
    return Submission(created, reattached=False)


class _Search:
    """Finds the runs of the task, and holds what the task remembers of them."""

    def __init__(self, memory: Memory, rules: Rules, max_outage_seconds: float) -> None:
        self.memory = memory
        self._max_outage_seconds = max_outage_seconds
        self._gone = set[str]()
        # Without an earlier try there is no run that a refusal could hide.
        is_first = memory.past_of_runs is Past.NOTHING and rules.tries_before == 0
        self._refused_seconds = None if is_first else REFUSED_SECONDS
        self._key_worked = memory.past_of_runs is not Past.NOTHING or bool(memory.passed_over)

    async def remember(self, io: Io, memory: Memory, else_not: str = "") -> None:
        if memory != self.memory:
            self.memory = memory
            await io.remember(memory, else_not)

    async def has_run(self, io: Io, run: Run) -> None:
        await self.remember(io, self.memory.has_run(run.id, io.now()))

    async def all_of_task(self, io: Io) -> tuple[list[Run], list[Run]]:
        """The runs with the task's identity, oldest first, and those of other deployments."""
        memory = self.memory
        runs = await self._repeat(io, lambda: find_runs_of_task(io, memory.identity))
        own = {run.id: run for run in runs if run.name.endswith(memory.identity.suffix)}
        remembered = memory.runs if memory.has_looked else (*memory.passed_over, *memory.runs)
        unlisted = [run_id for run_id in remembered if run_id not in own and run_id not in self._gone]
        own.update(await self._get_all(io, unlisted))
        others = [run for run in runs if not run.name.endswith(memory.identity.suffix)]
        return sorted(own.values(), key=age), others

    async def new(self, io: Io) -> list[Run]:
        """The runs that were created since the last clear, oldest first, unless they had ended before this create."""
        memory = self.memory
        runs = await self._repeat(io, lambda: find_runs(io, memory.identity.suffix))
        # An active one that an earlier try has created was in no list when this try looked.
        return [run for run in runs if run.id not in memory.passed_over or (run.is_active and run.id in memory.runs)]

    async def replace(self, io: Io, runs: Iterable[Run]) -> None:
        """Cancel the active runs of earlier rounds."""
        for run in runs:
            if run.is_active:
                await io.note(logging.INFO, f"Cancelling run {run.id} from before the clear; a new run replaces it")
                budget = max(self._max_outage_seconds, CANCEL_BUDGET_SECONDS)
                error = await cancel_run(io, run.id, budget)
                # A run that is listed may be gone.
                if error is None or (isinstance(error, NotFoundError) and await self._get(io, run.id) is None):
                    continue
                raise NotReplacedError(run, error) from error

    async def _get(self, io: Io, run_id: str) -> Run | None:
        return (await self._get_all(io, [run_id])).get(run_id)

    async def _get_all(self, io: Io, run_ids: Iterable[str]) -> dict[str, Run]:
        """Runs by id. Those that the service does not know are not asked for again. They cost a minute in all, or
        nothing if the task got its last run before that.
        """
        found, left = dict[str, Run](), set(run_ids)
        is_new = not 0.0 < self.memory.got_run_at < io.now() - REFUSED_SECONDS

        async def ask() -> None:
            unknown = None
            for run_id in sorted(left):
                try:
                    found[run_id] = await io.send(calls.get_run(run_id))
                    left.discard(run_id)
                except NotFoundError as error:
                    unknown = error
            if unknown is not None and is_new:
                raise unknown

        with suppress(NotFoundError):
            await self._repeat(io, ask)
        self._gone |= left
        return found

    async def _repeat(self, io: Io, look: Callable[[], Awaitable[T]]) -> T:
        return await repeat(
            io, look, self._max_outage_seconds, refused_seconds=self._refused_seconds, key_worked=self._key_worked
        )


def kind_found(runs: Collection[Run], memory: Memory, tries_before: int, *, may_look_again: bool) -> FoundRuns:
    """What a list of the task's runs means. Runs of earlier rounds are not in it, unless this is the first look."""
    past = memory.past_of_runs
    active = [run.id for run in runs if run.is_active]
    has_completed = any(run.status == COMPLETED for run in runs)
    if memory.is_create_unanswered:
        # An earlier run does not answer that create.
        is_one_missing = not (set(active) - set(memory.passed_over) or (has_completed and past is Past.KNOWN))
    else:
        is_one_missing = past is Past.UNKNOWN and not active and len(runs) < tries_before
    if is_one_missing and may_look_again:
        return FoundRuns.UNCLEAR
    if active:
        return FoundRuns.ACTIVE
    return FoundRuns.COMPLETED if has_completed else FoundRuns.NONE


async def _take_over(io: Io, search: _Search, rules: Rules) -> Run | None:
    """The run that the task has already; None if it needs a new one."""
    past = search.memory.past_of_runs
    delays = iter(LOOK_AGAIN_DELAYS)
    while True:
        runs, others = await search.all_of_task(io)
        of_earlier_rounds = [run for run in runs if past is Past.KNOWN and run.id in search.memory.passed_over]
        of_round = [run for run in runs if run not in of_earlier_rounds]
        delay = next(delays, None)
        found = kind_found(of_round, search.memory, rules.tries_before, may_look_again=delay is not None)
        decision = DECISIONS[found, past]
        if decision is not Decision.LOOK_AGAIN or delay is None:
            break
        if delay == LOOK_AGAIN_DELAYS[0]:
            text = "An earlier attempt may have created a run that is in no list yet. Looking for it for up to"
            await io.note(logging.INFO, f"{text} {words.duration(sum(LOOK_AGAIN_DELAYS))}")
        await io.sleep(delay)
    if decision is Decision.REPLACE and not rules.may_replace:
        decision = Decision.ATTACH
    if rules.may_replace:
        await search.replace(io, runs if decision is Decision.REPLACE else of_earlier_rounds)
    if decision is not Decision.ATTACH and not (decision is Decision.ADOPT and rules.may_adopt):
        # Written with the create: until then the next try looks for them too.
        search.memory = search.memory.looked((*search.memory.runs, *(run.id for run in runs)))
        if past is not Past.KNOWN:
            await _warn_of_others(io, others)
        return None
    run = await _choose(io, of_round)
    if past is not Past.KNOWN:
        # They may be from before a clear, so no retry takes them over either.
        search.memory = search.memory.looked(run.id for run in runs if not run.is_active)
    await search.has_run(io, run)
    return run


async def _warn_of_others(io: Io, runs: Iterable[Run]) -> None:
    """Name active runs that may be of this task: another deployment's, or from before a clear that was forgotten."""
    for run in runs:
        if run.is_active:
            created = "" if run.created_ago is None else f" {words.duration(run.created_ago)} ago"
            await io.note(
                logging.WARNING,
                f"Found an active run {run.id} with this task's name, started{created} by another deployment with the "
                "same DAG, or before a clear. Not touching it. If it is yours, cancel it:",
                f"runs cancel --yes {run.id}",
            )


class _Create:
    """One create request, repeated until there is a run, but never so that there are two."""

    def __init__(self, search: _Search | None, max_outage_seconds: float) -> None:
        self._search = search
        self._max_outage_seconds = max_outage_seconds
        self._why_unclear: WherobotsApiError | None = None
        """The failure of a create that may have created a run which was not found; None if there was none."""

    async def note_refused(self, io: Io) -> None:
        """Remember that there is no run, if that is certain."""
        if self._search is not None and self._why_unclear is None:
            await self._search.remember(io, self._search.memory.create_refused())

    async def until_created(self, io: Io, call: Call[Run], wait: QuotaWait) -> Run | AwaitingQuota:
        """Send it until there is a run, or a wait for quota that the caller is to go on with."""
        outage, refusals = Outage(self._max_outage_seconds), QuotaRefusals(wait)
        while True:
            try:
                return await io.send(call)
            except QuotaError as error:
                outage.over(io.now())
                # The quota may be used up by the very run whose create had no response.
                if (found := await self._find_unclear(io)) is not None:
                    return found
                try:
                    pause = await refusals.refused(io, error)
                except QuotaNotFreedError as failure:
                    if self._why_unclear is None:
                        raise
                    raise self._unclear_failure(failure) from error
                if isinstance(pause, AwaitingQuota):
                    return pause
                await io.sleep(*pause)
                if (found := await self._find_unclear(io)) is not None:
                    return found
            except WherobotsApiError as error:
                if error.arrival is Arrival.UNCLEAR and (found := await self._look_up(io, error)) is not None:
                    return found
                await self._wait_out(io, outage, error)

    async def _find_unclear(self, io: Io) -> Run | None:
        """The run of a create without a response, if there was one, and its run shows now. If that cannot be seen, it
        stays unclear.
        """
        if self._why_unclear is None or self._search is None:
            return None
        try:
            runs = await self._search.new(io)
        except WherobotsApiError as error:
            raise _unclear(self._why_unclear, f"looking it up failed too ({error.reason})") from error
        return await _choose(io, runs) if runs else None

    async def _look_up(self, io: Io, cause: WherobotsApiError) -> Run | None:
        """Look for the run of a create whose response was lost or unclear."""
        self._why_unclear = cause
        if self._search is None:
            raise _unclear(cause, "it cannot be looked up by its name (durable=False)") from cause
        await io.note(logging.WARNING, f"{cause}; the run may exist. Looking it up by its name")
        for delay in LOOK_AGAIN_DELAYS:
            await io.sleep(delay)
            if (found := await self._find_unclear(io)) is not None:
                text = f"Found run {found.id}: the create request had succeeded, only its response was lost"
                await io.note(logging.INFO, text)
                return found
        return None

    async def _wait_out(self, io: Io, outage: Outage, error: WherobotsApiError) -> None:
        try:
            await wait_out(io, outage, error)
        except WherobotsApiError:
            if self._why_unclear is not None:
                raise self._unclear_failure(error) from error
            raise

    def _unclear_failure(self, error: WherobotsApiError) -> UnclearCreateError:
        return _unclear(error, "no run with its name has been found so far")


async def _choose(io: Io, runs: Sequence[Run]) -> Run:
    """The oldest active run, and cancel the others. If none is active, the newest that has completed, or has ended."""
    active = [run for run in runs if run.is_active]
    for run in active[1:]:
        text = f"Cancelling run {run.id}: it belongs to this task too, beside the older run {active[0].id}"
        await io.note(logging.WARNING, text)
        await cancel_run(io, run.id)
    return active[0] if active else max(runs, key=lambda run: (run.status == COMPLETED, age(run)))


async def _note_attached(io: Io, run: Run, payload: Mapping[str, Any]) -> None:
    await io.note(
        logging.INFO, f"Re-attached to run {run.id} ({run.status}), started by an earlier attempt of this task"
    )
    differing = differing_fields(payload, {"name": run.name, **run.payload})
    if differing:
        await io.note(
            logging.WARNING,
            f"Run {run.id} was created with other values for {', '.join(differing)}; following it. Clear the task to "
            "run the new version",
        )


def _unclear(cause: WherobotsApiError, why: str) -> UnclearCreateError:
    return UnclearCreateError(cause.operation, f"It is unclear whether the run was created: {cause.reason}; {why}")


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
