"""The doctor's three small runs: one prints, one is cancelled, one reaches its ``timeoutSeconds``.

They are created together, and observed one after the other. The run that prints is followed as a task follows it, so
the lines are those that a task log would have. ``questions`` reads what was observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import Arrival, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import COMPLETED, PENDING, Run
from airflow_provider_wherobots.api.runs.payload import build_payload
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.checks import Check, State
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.forward_logs import print_log
from airflow_provider_wherobots.flows.list_runs import find_runs
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.outcome import Ending, Outcome

LOG, CANCEL, TIMEOUT = "log", "cancel", "timeout"
"""The roles of the runs."""
OUTAGE_SECONDS = 60.0
PRINTED = frozenset(job.LINES + job.ERROR_LINES)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and for how long, in seconds. ``suffix`` ends the runs' names, and is unique in the organization.

    After ``max_seconds`` in all the runs are cancelled. ``timeout_seconds`` is the ``timeoutSeconds`` of the run that
    reaches it. Lists are looked at for ``list_seconds``, and the log for ``late_seconds`` after its task would have
    ended.
    """

    suffix: str
    uri: str
    runtime: str = "tiny"
    region: str | None = None
    version: str | None = None
    max_seconds: int = 900
    timeout_seconds: int = 30
    list_seconds: float = 30.0
    late_seconds: float = 60.0
    poll_seconds: float = 2.0

    def name(self, role: str) -> str:
        """The name of a run."""
        return f"airflow-doctor-{role}-{self.suffix}"


@dataclass(slots=True)
class Trial:
    """The runs of one trial, by role, and what was observed. It is complete at any time, so an interrupted trial can
    be ended. Times are epoch seconds of this machine.
    """

    plan: Plan
    ids: dict[str, str] = field(default_factory=dict)
    creating: set[str] = field(default_factory=set)
    """The roles whose create may have taken effect without a response."""
    failures: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    printing_run: Run | None = None
    """The run that prints, as the service reports it after its end."""
    forwarded: list[tuple[float, LogRecord]] = field(default_factory=list)
    """The lines that were read, and when. The ``Io`` adds them."""
    in_task_log: int = 0
    """How many of them a task log would have. The others came after its task would have ended."""
    listed_seconds: float | None = None
    """How long after its create a list by the runs' suffix had the run that prints; infinite if none did."""
    cancelled_at: float | None = None
    until: float = 0.0

    def has_ended(self, role: str) -> bool:
        """Whether a run is known to have ended."""
        outcome = self.outcomes.get(role)
        return outcome is not None and outcome.ending not in (Ending.DEADLINE, Ending.GAVE_UP)

    def arrivals(self) -> dict[str, float]:
        """When each of the printed lines was first read."""
        found: dict[str, float] = {}
        for at, record in self.forwarded:
            if record.text in PRINTED:
                found.setdefault(record.text, at)
        return found


async def try_out(io: Io, trial: Trial) -> None:
    """Create the three runs and observe them. :func:`end_runs` ends them."""
    plan = trial.plan
    trial.until = io.now() + plan.max_seconds
    await _create(io, trial, LOG, "log", plan.max_seconds)
    if LOG not in trial.ids:
        return
    created_at = io.now()
    await _create(io, trial, CANCEL, "sleep", plan.max_seconds)
    await _create(io, trial, TIMEOUT, "sleep", plan.timeout_seconds)
    await _look_for(io, trial, created_at)
    await _follow(io, trial, LOG)
    trial.in_task_log = len(trial.forwarded)
    if not trial.has_ended(LOG):
        return
    await _read_late_lines(io, trial)
    if CANCEL in trial.ids:
        await _observe_cancel(io, trial)
    if TIMEOUT in trial.ids:
        await _follow(io, trial, TIMEOUT)


async def end_runs(io: Io, trial: Trial) -> list[str]:
    """Cancel the runs that have not ended, and return the ids of those that could not be cancelled. Never raises.

    The run of a create without a response is looked up by its name. If it is found, its role is no longer in
    ``creating``.
    """
    left = await _cancel(io, trial, list(trial.ids))
    until = io.now() + trial.plan.list_seconds
    while trial.creating and io.now() < until:
        await io.sleep(trial.plan.poll_seconds)
        found = {run.name: run.id for run in await _find(io, trial)}
        new = [role for role in sorted(trial.creating) if trial.plan.name(role) in found]
        trial.ids.update({role: found[trial.plan.name(role)] for role in new})
        trial.creating.difference_update(new)
        left += await _cancel(io, trial, new)
    return left


def runs_check(trial: Trial, left: list[str], conn_id: str) -> Check:
    """Whether the runs were created, and have ended. ``left`` are the ids of the runs that could not be cancelled."""
    plan, named = trial.plan, f"*-{trial.plan.suffix}"
    cancelled = [id_ for role, id_ in trial.ids.items() if not trial.has_ended(role) and id_ not in left]
    maybe_active = [*left, *map(plan.name, sorted(trial.creating))]
    # First, because a table shows the beginning of a long text.
    texts = [f"May still be active: {', '.join(maybe_active)}."] if maybe_active else []
    if cancelled:
        texts.append(f"Cancelled, if they had not ended: {', '.join(cancelled)}.")
    texts += [f"The create of {plan.name(role)} failed ({why})." for role, why in trial.failures.items()]
    texts.append(f"Created {words.counted(len(trial.ids), 'run')} named {named}.")
    if len(texts) == 1:
        return Check("runs", State.OK, f"{texts[0]} All have ended.")
    to_find, to_cancel = (
        words.command(command, conn_id) for command in (f"runs list --name '{named}'", "runs cancel --yes RUN_ID")
    )
    advice = f"{to_find}, then {to_cancel}" if maybe_active else "repeat the command"
    state = State.FAILED if left or cancelled or not trial.ids else State.WARNING
    return Check("runs", state, " ".join(texts), advice)


async def _create(io: Io, trial: Trial, role: str, argument: str, seconds: int) -> None:
    plan = trial.plan
    payload = build_payload(
        name=plan.name(role),
        run_python={"uri": plan.uri, "args": [argument]},
        runtime=plan.runtime,
        version=plan.version,
        timeout_seconds=seconds,
    )
    trial.creating.add(role)
    try:
        run = await send(io, calls.create_run(payload, plan.region), OUTAGE_SECONDS)
    except WherobotsApiError as error:
        trial.failures[role] = str(error)
        if error.arrival is not Arrival.UNCLEAR:
            trial.creating.discard(role)
        return
    trial.ids[role] = run.id
    trial.creating.discard(role)


async def _look_for(io: Io, trial: Trial, created_at: float) -> None:
    """List runs by the pattern with which a retry finds its run, until the run that prints is listed."""
    while trial.listed_seconds is None:
        waited = io.now() - created_at
        if trial.ids[LOG] in [run.id for run in await _find(io, trial)]:
            trial.listed_seconds = waited
        elif waited >= trial.plan.list_seconds:
            trial.listed_seconds = math.inf
        else:
            await io.sleep(trial.plan.poll_seconds)


async def _find(io: Io, trial: Trial) -> list[Run]:
    """List the runs by their suffix. Empty if that fails."""
    try:
        return await find_runs(io, f"-{trial.plan.suffix}")
    except WherobotsApiError:
        return []


async def _read_late_lines(io: Io, trial: Trial) -> None:
    """Read the log of the run that prints again until it has every line."""
    run_id, plan = trial.ids[LOG], trial.plan
    trial.printing_run = run = await send(io, calls.get_run(run_id), OUTAGE_SECONDS)
    until = io.now() + (plan.late_seconds if run.status == COMPLETED else 0.0)
    while len(trial.arrivals()) < len(PRINTED) and io.now() < until:
        await io.sleep(plan.poll_seconds)
        await print_log(io, run_id)


async def _observe_cancel(io: Io, trial: Trial) -> None:
    """Cancel a run while it runs."""
    run_id = trial.ids[CANCEL]
    while (run := await send(io, calls.get_run(run_id), OUTAGE_SECONDS)).status == PENDING:
        if io.now() >= trial.until:
            return
        await io.sleep(trial.plan.poll_seconds)
    if run.is_active:
        trial.cancelled_at = io.now()
        await cancel_run(io, run_id)
    await _follow(io, trial, CANCEL)


async def _follow(io: Io, trial: Trial, role: str) -> None:
    options = FollowOptions(
        trial.ids[role],
        io.now(),
        deadline=trial.until,
        polling_interval=trial.plan.poll_seconds,
        poll_logs=role == LOG,
        # The others print nothing, so there is nothing to wait for.
        wait_post_run_logs_timeout_seconds=60.0 if role == LOG else 0.0,
        cancel_at_deadline=False,
        limit_name="time limit",
    )
    trial.outcomes[role] = await follow_run(io, options)


async def _cancel(io: Io, trial: Trial, roles: list[str]) -> list[str]:
    """Cancel the runs that have not ended, and return the ids of those that could not be cancelled."""
    left = []
    for role in roles:
        if not trial.has_ended(role) and await cancel_run(io, trial.ids[role]) is not None:
            left.append(trial.ids[role])
    return left
