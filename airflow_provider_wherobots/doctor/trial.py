"""The doctor's three small runs, and the questions about the service that they answer.

One run prints, one is cancelled, one reaches its ``timeoutSeconds``. They are created together, and observed one after
the other. The run that prints is followed as a task follows it, so the lines are those that a task log would have.

The published description of the API leaves the questions open, and the answer changes a setting of the user. The result
of a question is the answer of this service, whether the provider handles it, and what to do if it differs from what the
provider assumes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import Arrival, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import CANCELLED, COMPLETED, PENDING, Run
from airflow_provider_wherobots.api.runs.payload import build_payload
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.checks import Check, Reading, State
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


CANCEL_SECONDS = 65.0
"""How long a cancel may take: a minute according to the API's documentation, and until a poll sees it."""
BRIEF_SECONDS = 1.0
"""A run that was PENDING for less than this does not show whether that time counts."""


@dataclass(frozen=True, slots=True)
class Question:
    """An open question about the service. ``read`` finds the answer in a trial, or returns None. ``advice`` is for an
    answer that differs from what the provider assumes.
    """

    text: str
    read: Callable[[Trial], Reading | None]
    advice: str


def checks_of(trial: Trial) -> list[Check]:
    """The results of a trial, in the order of the questions."""
    checks = []
    for question in QUESTIONS:
        text, state = question.read(trial) or ("No run was observed that shows it.", State.NOT_CHECKED)
        differs = state in (State.HANDLED, State.DIFFERS)
        checks.append(Check(question.text, state, text, question.advice if differs else ""))
    return checks


def _unfinished(trial: Trial, role: str) -> Reading | None:
    outcome = trial.outcomes.get(role)
    if outcome is None:
        return None
    why = f" ({outcome.reason})" if outcome.ending is Ending.GAVE_UP else ""
    return f"it did not end in time: the run was still {outcome.status}{why}", State.DIFFERS


def _created(trial: Trial) -> Reading | None:
    """Compares what was requested with the run."""
    plan, run = trial.plan, trial.printing_run
    if run is None:
        return None
    compared = (
        ("region", plan.region, run.kube_app.region),
        ("runtime", plan.runtime, run.payload.get("runtime")),
        ("version", plan.version, run.payload.get("version")),
        ("timeoutSeconds", plan.max_seconds, run.payload.get("timeoutSeconds")),
    )
    changed = [
        f"{name}: {sent} became {words.short(str(kept))}"
        for name, sent, kept in compared
        if sent is not None and kept not in (None, sent)
    ]
    return ("; ".join(changed), State.HANDLED) if changed else ("yes", State.ASSUMED)


def _completed(trial: Trial) -> Reading | None:
    if not trial.has_ended(LOG):
        return _unfinished(trial, LOG)
    outcome = trial.outcomes[LOG]
    if outcome.ending is not Ending.COMPLETED:
        return f"{outcome.status}: {outcome.reason or 'without a reason'}", State.DIFFERS
    queued = (outcome.summary or {}).get("queued_seconds")
    return "yes" if queued is None else f"yes, after {queued:.1f} s in the status PENDING", State.ASSUMED


def _cancelled(trial: Trial) -> Reading | None:
    if trial.cancelled_at is None:
        return None
    if not trial.has_ended(CANCEL):
        return _unfinished(trial, CANCEL)
    outcome = trial.outcomes[CANCEL]
    seconds = max(0.0, outcome.ended_at - trial.cancelled_at)
    text = f"{outcome.status} after {seconds:.1f} s"
    if outcome.status != CANCELLED:
        return text, State.DIFFERS
    return text, State.ASSUMED if seconds <= CANCEL_SECONDS else State.HANDLED


def _timed_out(trial: Trial) -> Reading | None:
    if not trial.has_ended(TIMEOUT):
        return _unfinished(trial, TIMEOUT)
    outcome = trial.outcomes[TIMEOUT]
    # A CANCELLED run counts as timed out if it ran that long.
    fits = outcome.ending in (Ending.TIMED_OUT, Ending.CANCELLED)
    return outcome.status, State.ASSUMED if fits else State.DIFFERS


def _leaves_out_pending(trial: Trial) -> Reading | None:
    """Whether ``timeoutSeconds`` begins when the run starts, or when it is created."""
    if not trial.has_ended(TIMEOUT):
        return None
    summary, limit = trial.outcomes[TIMEOUT].summary or {}, trial.plan.timeout_seconds
    queued, ran = summary.get("queued_seconds"), summary.get("ran_seconds")
    if queued is None or ran is None:
        return "no: it ended before it ran", State.HANDLED
    text = f"it was PENDING for {queued:.1f} s and ran for {ran:.1f} s, with {limit} s"
    if queued < BRIEF_SECONDS:
        return f"it was PENDING too briefly to tell: {text}", State.NOT_CHECKED
    counts = abs(queued + ran - limit) < abs(ran - limit)
    return (f"no: {text}", State.HANDLED) if counts else (f"yes: {text}", State.ASSUMED)


def _found_by_name(trial: Trial) -> Reading | None:
    """Whether a list by the pattern of a retry has the run, as soon as a retry needs it."""
    if trial.listed_seconds is None:
        return None
    if math.isinf(trial.listed_seconds):
        return f"not within {words.duration(trial.plan.list_seconds)}", State.DIFFERS
    return f"yes, {trial.listed_seconds:.1f} s after its create", State.ASSUMED


def _forwarded(trial: Trial) -> Reading | None:
    """Compares the lines that a task log would have with the printed lines."""
    if trial.printing_run is None or trial.printing_run.status != COMPLETED:
        return None
    got = [record.text for _, record in trial.forwarded[: trial.in_task_log] if record.text in PRINTED]
    missing, twice = PRINTED - set(got), len(got) - len(set(got))
    if missing or twice:
        late = len(missing & trial.arrivals().keys())
        text = f"{len(missing)} of {len(PRINTED)} lines missing, {late} of which came later; {twice} came twice"
        return text, State.DIFFERS
    if [text for text in got if text not in job.ERROR_LINES] != list(job.LINES):
        # The service inserts late lines. A reader can sort by their own times.
        return "lines came out of order", State.HANDLED
    return f"yes: {len(got):,} lines, of standard output and of standard error", State.ASSUMED


def _late(trial: Trial) -> Reading | None:
    """When the last line came, compared with when the run's end was seen."""
    if trial.printing_run is None or trial.printing_run.status != COMPLETED:
        return None
    arrived = trial.arrivals()
    if len(arrived) < len(PRINTED):
        return "some lines never came", State.DIFFERS
    last = max(arrived.values())
    seconds = max(0.0, last - trial.outcomes[LOG].ended_at)
    text = f"the last line came {seconds:.1f} s after the end was seen"
    if last > max((at for at, _ in trial.forwarded[: trial.in_task_log]), default=0.0):
        return text, State.HANDLED
    proposal = f"wait_post_run_logs_timeout_seconds={math.ceil(seconds) + 1} would have been enough"
    return f"{text}; {proposal}", State.ASSUMED


QUESTIONS = (
    Question("Is a run created as requested?", _created, "stay within the service's limits"),
    Question(
        "Does a run complete?",
        _completed,
        "correct the region, runtime or version that the reason names, and repeat the command",
    ),
    Question(
        "Does a cancel end a run?",
        _cancelled,
        "set timeout_seconds in every task: it may be all that ends a run whose task was killed",
    ),
    Question(
        "How does a run end that exceeds timeout_seconds?",
        _timed_out,
        "set execution_timeout in place of timeout_seconds: then the task's exception says what happened",
    ),
    Question(
        "Does timeout_seconds leave out the time PENDING?",
        _leaves_out_pending,
        "add the time that a run may wait for a runtime to timeout_seconds",
    ),
    Question(
        "Can a retry find its run by name?",
        _found_by_name,
        "set retries=0 for tasks whose run must not be repeated: a retry creates another run",
    ),
    Question(
        "Does the task log get every line once, in order?",
        _forwarded,
        "sort by the lines' own times; if lines are missing, set poll_logs=False, and read the log in the console",
    ),
    Question(
        "How long after the end of a run do lines come?",
        _late,
        "results and the last lines may be missing: have the script wait before it ends",
    ),
)
