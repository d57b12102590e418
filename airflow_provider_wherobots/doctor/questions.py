"""The questions about the service that the three runs answer.

The published description of the API leaves them open, and the answer changes a setting of the user. The result of a
question is the answer of this service, whether the provider handles it, and what to do if it differs from what the
provider assumes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.runs.models import CANCELLED, COMPLETED
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.checks import Check, Reading, State
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, PRINTED, TIMEOUT, Trial
from airflow_provider_wherobots.runs.outcome import Ending

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
