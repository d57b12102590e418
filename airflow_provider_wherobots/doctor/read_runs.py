"""Results of a trial about runs: create, end, cancel, timeout, cost, and whether lists show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.files import value_at
from airflow_provider_wherobots.api.runs.models import (
    ACTIVE_STATUSES,
    CANCELLED,
    COMPLETED,
    TERMINAL_STATUSES,
    TIMED_OUT,
    Run,
    RunMetrics,
    RunPage,
)
from airflow_provider_wherobots.doctor.check import Check, Reading, State
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Exchange, Trial
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.submit import LOOK_AGAIN_DELAYS, differing_fields
from airflow_provider_wherobots.flows.summary import COST

CANCEL_SECONDS = 60.0
"""How long a cancel may take according to the API's documentation."""
OBSERVING = "observing"
"""The key, among a trial's failures, of the reason why the runs were not observed to their end."""


def runs_check(trial: Trial, left: Sequence[str], *, interrupted: bool) -> Check:
    """Whether the runs were created, and have ended. ``left`` are the ids of the runs that could not be cancelled."""
    plan, name, named = trial.plan, "runs", f"*-{trial.plan.suffix}"
    active = [role for role in trial.ids if role not in trial.ended]
    cancelled = [trial.ids[role] for role in active if trial.ids[role] not in left]
    if left or trial.creating:
        texts = [f"{', '.join(left)} may still be active."] if left else []
        if trial.creating:
            names, limit = " and ".join(map(plan.name, sorted(trial.creating))), words.duration(plan.list_seconds)
            why = "; ".join(trial.failures.get(role, "interrupted") for role in sorted(trial.creating))
            texts.append(
                f"A run named {names} may exist: its create had no response ({why}), and no list showed it in {limit}."
            )
        if cancelled:
            texts.append(f"Cancelled: {', '.join(cancelled)}.")
        advice = f"find active ones with runs list --name '{named}', and cancel them with runs cancel RUN_ID --yes"
        return Check(name, State.FAILED if left else State.WARNING, " ".join(texts), advice)
    if interrupted:
        what = f"the runs were cancelled: {', '.join(cancelled)}" if cancelled else "no run was left to cancel"
        return Check(name, State.WARNING, f"Interrupted; {what}.", "repeat the command")
    if not trial.ids:
        text = f"No run could be created ({'; '.join(trial.failures.values())})."
        return Check(name, State.FAILED, text, "correct what the service names, then repeat the command")
    if active:
        why = trial.failures.get(OBSERVING, "they took too long")
        text = f"{len(active)} runs were cancelled before they had ended ({why})."
        return Check(name, State.FAILED, text, "repeat the command")
    if trial.failures:
        # The organization may have no quota for three runs.
        text = f"Not all runs could be created ({'; '.join(trial.failures.values())})."
        return Check(name, State.WARNING, text, "repeat the command when the service has room for three runs")
    return Check(name, State.OK, f"{len(trial.ids)} runs named {named} were created, and all have ended.")


def created(trial: Trial) -> Reading | None:
    """Compares the create's body with the payload of the run."""
    create, polls = trial.create(), trial.polls(LOG)
    if create is None or not polls:
        return None
    sent, run = create.call.json or {}, polls[-1][1]
    changed = [
        f"{name}: {value_at(sent, keys)!r} became {value_at(run.payload, keys)!r}"
        for name in differing_fields(sent, {"name": run.name, **run.payload})
        if (keys := tuple(name.split(".")))
    ]
    app, region = run.kube_app, trial.plan.region
    if region is not None and app.region not in (None, region):
        changed.append(f"region: {region} became {app.region}")
    where = f"region {app.region}, version {app.resolved_version}, runtime {run.payload.get('runtime')}"
    return (f"{'; '.join(changed)} ({where})", State.HANDLED) if changed else (f"yes ({where})", State.ASSUMED)


def completed(trial: Trial) -> Reading | None:
    """The statuses of the printing run."""
    polls = trial.polls(LOG)
    if not polls:
        return None
    run = polls[-1][1]
    text = ", ".join(map(words.short, dict.fromkeys(seen.status for _, seen in polls)))
    if (queued := _seconds(run, "create", "start")) is not None:
        text += f"; PENDING for {queued:.1f} s"
    if not run.is_terminal:
        return f"{text}; it did not end in time", State.DIFFERS
    if run.status != COMPLETED:
        reason = f" ({words.quoted(run.reason, 500)})" if run.reason else ""
        return f"{text}; it did not complete{reason}", State.DIFFERS
    known = {seen.status for _, seen in polls} <= ACTIVE_STATUSES | TERMINAL_STATUSES
    return text, State.ASSUMED if known else State.HANDLED


def _seconds(run: Run, since: str, until: str) -> float | None:
    begin, end = getattr(run, f"{since}_time"), getattr(run, f"{until}_time")
    return None if begin is None or end is None else float((end - begin).total_seconds())


def cancelled(trial: Trial) -> Reading | None:
    """How long a cancel takes, and the status of the run then."""
    cancels = trial.of("cancelJobRun", CANCEL)
    if not cancels:
        return None
    cancel, end = cancels[0], trial.end(CANCEL)
    if isinstance(cancel.response, WherobotsApiError):
        return f"the cancel failed: {cancel.response}", State.DIFFERS
    if end is None:
        exchange, run = trial.polls(CANCEL)[-1]
        return f"the run was still {run.status} after {exchange.at - cancel.at:.0f} s", State.DIFFERS
    seconds = max(0.0, end[0].at - cancel.at)
    text = f"{end[1].status} after {seconds:.1f} s"
    if end[1].status != CANCELLED:
        return text, State.DIFFERS
    return text, State.ASSUMED if seconds <= CANCEL_SECONDS + 5 else State.HANDLED


def timed_out(trial: Trial) -> Reading | None:
    """The status of the run that reached its ``timeoutSeconds``."""
    if TIMEOUT not in trial.ids:
        return None
    if (end := trial.end(TIMEOUT)) is None:
        return "it did not end in time", State.DIFFERS
    run = end[1]
    codes = [event.code for event in run.kube_app.events if event.code and "FAIL" in event.code]
    text = run.status + (f", with the event {words.short(codes[-1])}" if codes else "")
    # A CANCELLED run counts as timed out if it ran that long.
    fits = run.status in (TIMED_OUT, CANCELLED) or run.has_timed_out
    return text, State.ASSUMED if fits else State.DIFFERS


def timeout_leaves_out_pending(trial: Trial) -> Reading | None:
    """Whether ``timeoutSeconds`` begins when the run starts, or when it is created."""
    end, limit = trial.end(TIMEOUT), trial.plan.timeout_seconds
    whole = _seconds(end[1], "create", "complete") if end else None
    if end is None or whole is None:
        return None
    queued = _seconds(end[1], "create", "start")
    if queued is None:
        return f"no: it ended {whole:.1f} s after its creation, before it ran", State.HANDLED
    text = f"it ended {whole:.1f} s after its creation and {whole - queued:.1f} s after its start, with {limit} s"
    if queued < 1.0:
        return f"it was PENDING too briefly to measure: {text}", State.NOT_CHECKED
    counts = abs(whole - limit) < abs(whole - queued - limit)
    return (f"no: {text}", State.HANDLED) if counts else (f"yes: {text}", State.ASSUMED)


def cost(trial: Trial) -> Reading | None:
    """Whether the metrics of the printing run have its cost, right after its end."""
    metrics = trial.succeeded("getJobRunMetrics", RunMetrics, LOG)
    if not metrics:
        return None
    known = metrics[0][1].instant_metrics.get(COST)
    return ("no", State.HANDLED) if known is None else (f"yes: {known:g} USD", State.ASSUMED)


def failures(trial: Trial) -> Reading | None:
    """The calls that failed, except for pages of a log, of which some sizes are expected to fail."""
    if not trial.exchanges:
        return None
    failed = Counter(
        f"{exchange.call.operation} {getattr(exchange.response, 'status', 'without a response')}"
        for exchange in trial.exchanges
        if isinstance(exchange.response, WherobotsApiError) and exchange.call.operation != "getJobRunLogs"
    )
    if not failed:
        return "yes", State.ASSUMED
    return ", ".join(f"{number} x {kind}" for kind, number in sorted(failed.items())), State.HANDLED


def _lists(trial: Trial, name: str) -> list[tuple[Exchange, set[str]]]:
    """The lists by a name or pattern, with the ids of their runs."""
    return [
        (exchange, {run.id for run in page.items})
        for exchange, page in trial.succeeded("listJobRuns", RunPage)
        if exchange.param("name") == name
    ]


def listed(trial: Trial) -> Reading | None:
    """How long after its create a run is found by its name."""
    create, lists = trial.create(), _lists(trial, trial.plan.name(LOG))
    if create is None or not lists:
        return None
    shown = next((exchange for exchange, ids in lists if trial.ids[LOG] in ids), None)
    if shown is None:
        return f"not within {trial.plan.list_seconds:.0f} s", State.DIFFERS
    late = shown.at - create.ended_at
    text = "at once" if shown is lists[0][0] else f"after {late:.1f} s"
    # The provider looks up a create without a response for that long.
    return text, State.ASSUMED if late <= sum(LOOK_AGAIN_DELAYS) else State.DIFFERS


def found_by_suffix(trial: Trial) -> Reading | None:
    """Whether a list by the pattern of a retry has all runs of that suffix."""
    lists, own = _lists(trial, f"*-{trial.plan.suffix}"), set(trial.ids.values())
    if not lists:
        return None
    missing, others = len(own - lists[-1][1]), len(lists[-1][1] - own)
    if missing:
        return f"{missing} of {len(own)} runs are missing", State.DIFFERS
    # The provider ignores runs of other names.
    return f"yes{f', with {others} of other names' if others else ''}", State.ASSUMED
