"""Cancelling runs: idempotent, bounded in time, and every result is logged."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

from airflow_provider_wherobots.api.errors import BadRequestError, ConflictError, NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES, Run
from airflow_provider_wherobots.flows.list_runs import find_runs, list_runs
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, REFUSED_SECONDS, Outage, send
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.runs.memory import Memory

ATTEMPT_SECONDS = 10.0
LOOK_UP_INTERVAL_SECONDS = 0.4
CONFLICT_INTERVAL_SECONDS = 2.0
"""Seconds between two cancels of a run that is still active after a conflict, once it has lasted for a moment."""
CONFLICT_MOMENT_SECONDS = 3.0
UNKNOWN_RUN_SECONDS = 10.0
"""How long a cancel is repeated while the service does not know the run: it may be very new. Following waits longer for
such a run, but a kill has no more time."""
END_POLL_SECONDS = 2.0
MAX_END_WAIT_SECONDS = 75.0
"""The status may take a minute to become CANCELLED."""
END_OUTAGE_SECONDS = 10.0


async def cancel_run(
    io: Io, run_id: str, budget_seconds: float = CANCEL_BUDGET_SECONDS, *, refused_seconds: float = REFUSED_SECONDS
) -> WherobotsApiError | None:
    """Request the cancel of a run. Never raises: a cancel must not mask why it was needed.

    It is repeated within the budget, if it is refused for ``refused_seconds`` at most. Returns None if it was accepted,
    or the run has ended; else why it was not, a ``NotFoundError`` if there is no such run.
    """
    began_at = io.now()
    deadline = began_at + budget_seconds
    outage = Outage(math.inf, refused_seconds)  # the deadline bounds it
    while True:
        moment = io.now()
        left = deadline - moment
        try:
            await io.send(calls.cancel_run(run_id), max(0.5, min(left, ATTEMPT_SECONDS)))
        except WherobotsApiError as error:
            # A new run may be unknown for a moment, and a cancel may conflict with the run's start.
            is_unknown = isinstance(error, NotFoundError)
            left = deadline - io.now()
            may_appear = is_unknown and moment < began_at + UNKNOWN_RUN_SECONDS and left > LOOK_UP_INTERVAL_SECONDS
            # Which 4xx says that the run has ended is not documented.
            may_have_ended = isinstance(error, NotFoundError | ConflictError | BadRequestError) and not may_appear
            seen = await _look_at(io, run_id, left) if may_have_ended else None
            if seen is not None and not seen.is_active:
                await io.note(logging.INFO, f"Run {run_id} need not be cancelled: {error.reason}")
                return None
            if seen is None and is_unknown and not may_appear:
                await io.note(
                    logging.WARNING, f"Run {run_id} was not cancelled, because it is not there ({error.reason})"
                )
                return error
            left = deadline - io.now()
            if isinstance(error, NotFoundError | ConflictError):
                is_soon = may_appear or moment < began_at + CONFLICT_MOMENT_SECONDS
                delay = LOOK_UP_INTERVAL_SECONDS if is_soon else CONFLICT_INTERVAL_SECONDS
                is_over = delay >= left
            else:
                # A kill cannot wait for a long Retry-After: the cancel is retried within the time that is left.
                delay = min(_pause(outage, error, moment), left / 2)
                is_over = delay < LOOK_UP_INTERVAL_SECONDS
            if is_over:
                return await _gave_up(io, run_id, error)
            await io.sleep(delay)
        else:
            await io.note(logging.INFO, f"Cancel of run {run_id} was accepted")
            return None


async def cancel_runs_of(io: Io, memory: Memory, budget_seconds: float) -> list[str]:
    """Find the active runs of a task by the suffix of their names, and cancel them. Never raises.

    The last one that the task knows comes first: it may be too new for a list. If a create was sent whose response is
    not known, its run may be in no list yet: then the runs are listed until there is one that the task does not know,
    or the budget is used up. Returns the ids of the cancelled runs.
    """
    deadline = io.now() + budget_seconds
    suffix = memory.identity.suffix
    cancelled = await _cancel_last_known(io, memory, budget_seconds / 2)
    is_found, why = bool(cancelled), ""
    while (left := deadline - io.now()) > 0:
        has_listed = True
        try:
            runs = await find_runs(io, suffix, timeout=left, urgent=True)
        except WherobotsApiError as error:
            has_listed, why, runs = False, f" ({error})", []
        own = [run.id for run in runs if run.is_active and run.id not in cancelled]
        for place, run_id in enumerate(own):
            is_found = True
            # One that is not cancelled at once leaves time for the others.
            share = (deadline - io.now()) / (len(own) - place)
            if await cancel_run(io, run_id, share) is None:
                cancelled.append(run_id)
        if has_listed and (not memory.is_create_unanswered or any(run.id not in memory.passed_over for run in runs)):
            break
        await io.sleep(LOOK_UP_INTERVAL_SECONDS)
    if not is_found and (memory.is_create_unanswered or why):
        await io.note(
            logging.WARNING,
            f"No run to cancel was found{why}. If the create request still goes through, its run stays active until "
            "its timeout. Check:",
            f"runs list --name '*{suffix}'",
        )
    return cancelled


async def _cancel_last_known(io: Io, memory: Memory, budget_seconds: float) -> list[str]:
    passed_over = memory.passed_over
    left = [known for known in memory.runs if known not in passed_over]
    known = left if memory.has_looked else [*passed_over, *left]
    if not known or budget_seconds <= 0:
        return []
    run_id = known[-1]
    deadline = io.now() + budget_seconds
    run = await _look_at(io, run_id, budget_seconds / 2)
    if run is not None and not run.is_active:
        return []
    return [run_id] if await cancel_run(io, run_id, deadline - io.now()) is None else []


async def await_ends(io: Io, run_ids: Iterable[str]) -> dict[str, str]:
    """Wait until runs have ended. One call lists all active runs.

    Returns the status of each run that has ended, by id. The others are active, or could not be read.
    """
    waiting, ended = list(dict.fromkeys(run_ids)), dict[str, str]()
    until = io.now() + MAX_END_WAIT_SECONDS
    try:
        while waiting:
            active, _ = await list_runs(io, status=sorted(ACTIVE_STATUSES), max_outage_seconds=END_OUTAGE_SECONDS)
            active_ids = {run.id for run in active}
            for run_id in [run_id for run_id in waiting if run_id not in active_ids]:
                run = await send(io, calls.get_run(run_id), END_OUTAGE_SECONDS)
                if run.is_terminal:
                    ended[run_id] = run.status
                    waiting.remove(run_id)
            if not waiting or io.now() + END_POLL_SECONDS > until:
                break
            await io.sleep(END_POLL_SECONDS)
    except WherobotsApiError:
        # The cancels were accepted. It is only unknown whether they have taken effect.
        pass
    return ended


async def _look_at(io: Io, run_id: str, timeout: float) -> Run | None:
    """The run; None if it cannot be read."""
    try:
        call = calls.get_run(run_id).at_once()
        return await io.send(call, max(0.5, min(timeout, ATTEMPT_SECONDS)))
    except WherobotsApiError:
        return None


def _pause(outage: Outage, error: WherobotsApiError, moment: float) -> float:
    """Seconds until the cancel is sent again; 0 if it is not."""
    try:
        return outage.failed(error, moment)
    except WherobotsApiError:
        return 0.0


async def _gave_up(io: Io, run_id: str, error: WherobotsApiError) -> WherobotsApiError:
    # The conflict may be with an earlier cancel, which takes up to a minute to take effect.
    unless = ", unless an earlier cancel takes effect" if isinstance(error, ConflictError) else ""
    text = (
        f"Run {run_id} could not be cancelled ({error.reason}). It keeps running, and costs money, until its "
        f"timeout_seconds{unless}. To cancel it:"
    )
    await io.note(logging.ERROR, text, f"runs cancel --yes {run_id}")
    return error
