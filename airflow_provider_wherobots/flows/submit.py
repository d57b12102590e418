"""Exactly one run per attempt, although the API has no idempotency key and names are not unique.

A request that surely did not arrive is repeated. After an answer that was lost or unclear, the run is looked up by its
name, which is this task instance's alone, before anything is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.api import calls
from airflow_provider_wherobots.api.errors import Arrival, WherobotsApiError
from airflow_provider_wherobots.api.models import Run
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, attempt
from airflow_provider_wherobots.flows.find import differing_fields, find_runs
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, Outage, wait_out

LOOK_UP_DELAYS = (0.5, 1.0, 2.0, 3.0, 3.5)
"""Seconds before each look for a run whose create answer was lost: about ten in all, as List Runs may lag."""


class UnclearCreateError(WherobotsApiError):
    """Whether the run was created could not be found out. The next try looks for it by its name first."""

    transient = True


@dataclass(frozen=True, slots=True)
class Submission:
    """The run of this attempt.

    :param run: the run, as last seen.
    :param reattached: whether an earlier attempt had started it.
    """

    run: Run
    reattached: bool


def submit_run(
    payload: Mapping[str, Any],
    region: str | None = None,
    *,
    durable: bool = True,
    look_first: bool = False,
    replace: bool = False,
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
) -> Flow[Submission]:
    """Create the run, or attach to the one this task instance has already.

    :param payload: the create body; with ``durable`` its name must be this task instance's alone.
    :param region: compute region; None takes the organisation's default.
    :param durable: whether the run may be found by its name; default True.
    :param look_first: whether an earlier attempt may have left a run; default False, which costs no extra call.
    :param replace: whether a run found by looking first is cancelled and replaced, as after a clear; default False,
        which attaches to it.
    :param max_outage_seconds: how long transient failures in a row are borne; default 600.
    :raises UnclearCreateError: when it could not be found out whether a run was created.
    :raises WherobotsApiError: when none was created; the last failure.
    """
    before: Collection[str] = ()
    if durable and look_first:
        runs = yield from _find_despite_outage(payload["name"], max_outage_seconds)
        active = [run for run in runs if run.is_active]
        if active and not replace:
            run = yield from _keep_oldest(active)
            yield from _note_reattached(run, payload)
            return Submission(run, reattached=True)
        for run in active:
            yield Note(logging.INFO, f"The task was cleared: run {run.id} of the try before is cancelled and replaced")
            yield from cancel_run(run.id)
        before = {run.id for run in runs}
    run = yield from _create_once(payload, region, durable, before, max_outage_seconds)
    return Submission(run, reattached=False)


def _create_once(
    payload: Mapping[str, Any], region: str | None, durable: bool, before: Collection[str], max_outage_seconds: float
) -> Flow[Run]:
    call, outage, unclear = calls.create_run(payload, region), Outage(max_outage_seconds), False
    while True:
        try:
            run = yield from attempt(call)
        except WherobotsApiError as error:
            if error.arrival is not Arrival.UNCLEAR:
                yield from _wait_out_create(outage, error, unclear)
                continue
            unclear = True
            if not durable:
                raise _unclear(error, "it is not durable, so it has no name of its own to be found by") from error
            yield Note(logging.WARNING, f"{error}; the run may exist, so it is looked up by its name {payload['name']}")
            found = yield from _look_up(payload["name"], before, error, max_outage_seconds)
            if found:
                return (yield from _keep_oldest(found))
            yield from _wait_out_create(outage, error, unclear)
        else:
            return (yield from _settle(run, payload["name"], before, max_outage_seconds)) if unclear else run


def _wait_out_create(outage: Outage, error: WherobotsApiError, unclear: bool) -> Flow[None]:
    try:
        yield from wait_out(outage, error)
    except WherobotsApiError:
        if unclear:
            raise _unclear(error, "no run of its name has shown up so far") from error
        raise


def _look_up(
    name: str, before: Collection[str], cause: WherobotsApiError, max_outage_seconds: float
) -> Flow[list[Run]]:
    for delay in LOOK_UP_DELAYS:
        yield Sleep(delay)
        try:
            runs = yield from _find_despite_outage(name, max_outage_seconds)
        except WherobotsApiError as error:
            raise _unclear(cause, f"looking it up failed too ({error})") from error
        found = [run for run in runs if run.id not in before]
        if found:
            yield Note(logging.INFO, f"The create call had arrived: run {found[0].id} carries the name")
            return found
    return []


def _settle(run: Run, name: str, before: Collection[str], max_outage_seconds: float) -> Flow[Run]:
    """A create was repeated because the first was not to be seen: it may show up after all."""
    try:
        runs = yield from _find_despite_outage(name, max_outage_seconds)
    except WherobotsApiError as error:
        yield Note(logging.WARNING, f"Could not check that {run.id} is the only run named {name}: {error}")
        return run
    mine = {found.id: found for found in runs if found.id not in before}
    mine.setdefault(run.id, run)
    return (yield from _keep_oldest(list(mine.values())))


def _keep_oldest(runs: Sequence[Run]) -> Flow[Run]:
    oldest, *younger = runs
    for run in younger:
        if run.is_active:
            yield Note(
                logging.WARNING,
                f"Runs {oldest.id} and {run.id} both carry the name {run.name}; the younger is cancelled",
            )
            yield from cancel_run(run.id)
    return oldest


def _find_despite_outage(name: str, max_outage_seconds: float) -> Flow[list[Run]]:
    outage = Outage(max_outage_seconds)
    while True:
        try:
            return (yield from find_runs(name))
        except WherobotsApiError as error:
            yield from wait_out(outage, error)


def _note_reattached(run: Run, payload: Mapping[str, Any]) -> Flow[None]:
    yield Note(logging.INFO, f"Re-attached to run {run.id} ({run.status}), started by an earlier try of this task")
    differing = differing_fields(payload, run.payload)
    if differing:
        yield Note(
            logging.WARNING,
            f"Run {run.id} differs from what would be created now in {', '.join(differing)}; it is this task's run",
        )


def _unclear(cause: WherobotsApiError, why: str) -> UnclearCreateError:
    return UnclearCreateError(cause.operation, f"it is unclear whether the run was created: {cause}; {why}")
