"""What the recorded answers say about runs: their statuses, cancel, timeout and cost."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wherobots.api.runs.models import (
    ACTIVE_STATUSES,
    CANCELLED,
    COMPLETED,
    TERMINAL_STATUSES,
    TIMED_OUT,
)
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript, seconds_between
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Trial
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict, not_seen
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.runs_by_suffix import differing_fields
from airflow_provider_wherobots.flows.summary import COST

CANCEL_SECONDS = 60.0
"""How long a cancel may take according to the API's documentation."""
APP_STATUSES = frozenset(
    {
        *("PENDING", "PREPARING", "PREPARE_FAILED", "REQUESTED", "DEPLOYING", "DEPLOY_FAILED", "DEPLOYED"),
        *("INITIALIZING", "INIT_FAILED", "READY"),
        *("DESTROY_REQUESTED", "DESTROYING", "DESTROY_FAILED", "DESTROYED"),
    }
)
"""The published values of ``kubeApp.status``."""


def run_findings(transcript: Transcript, trial: Trial) -> list[Finding]:
    """Answer the open questions about runs.

    :param transcript: what was sent and answered.
    :param trial: the runs it was sent for.
    """
    return [
        _created(transcript, trial),
        _echo(transcript, trial),
        _history(transcript, trial),
        _application(transcript, trial),
        _cancel(transcript, trial),
        _torn_down(transcript, trial),
        _cancel_of_ended(transcript, trial),
        _timeout_word(transcript, trial),
        _timeout_counts(transcript, trial),
        _cost(transcript, trial),
        _failures(transcript, trial),
    ]


def _created(transcript: Transcript, trial: Trial) -> Finding:
    question = "How is a create answered?"
    assumed = "any 2xx with the run"
    create = transcript.create(trial.plan.name(LOG))
    if create is None:
        why = trial.failures.get(LOG, "no run was created")
        return Finding(question, f"no run was created: {why}", Verdict.DIFFERS, assumed)
    refused = [role for role in (CANCEL, TIMEOUT) if role in trial.failures and role not in trial.ids]
    # Such as a full organisation: what is not created is not seen.
    left = f"; not created: {', '.join(f'{role} ({trial.failures[role]})' for role in refused)}" if refused else ""
    return Finding(question, f"{create.status}{left}", Verdict.HANDLED if refused else Verdict.ASSUMED, assumed)


def _echo(transcript: Transcript, trial: Trial) -> Finding:
    question = "Does the service keep what was sent?"
    assumed = "yes; timeoutSeconds may be reduced"
    create = transcript.create(trial.plan.name(LOG))
    statuses = transcript.statuses(trial.ids.get(LOG, ""))
    if create is None or create.sent is None or not statuses:
        return not_seen(question, "no run was observed", assumed)
    run = statuses[-1][1]
    changed = [
        f"{name}: {_at(create.sent, name)!r} became {_at(run.payload, name)!r}"
        for name in differing_fields(create.sent, {"name": run.name, **run.payload})
    ]
    where = f"region {run.kube_app.region}, version {run.kube_app.resolved_version}"
    region = trial.plan.region
    if region is not None and run.kube_app.region not in (None, region):
        changed.append(f"region: {region} became {run.kube_app.region}")
    if changed:
        return Finding(question, f"{'; '.join(changed)} ({where})", Verdict.HANDLED, assumed)
    return Finding(question, f"yes ({where}, runtime {run.payload.get('runtime')})", Verdict.ASSUMED, assumed)


def _at(document: object, name: str) -> object:
    for key in name.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _history(transcript: Transcript, trial: Trial) -> Finding:
    question = "Which statuses does a run have, and when?"
    assumed = f"{', '.join(sorted(ACTIVE_STATUSES | TERMINAL_STATUSES))}; one whose script ends with 0 is COMPLETED"
    run_id = trial.ids.get(LOG, "")
    statuses = transcript.statuses(run_id)
    if not statuses:
        return not_seen(question, "no status was seen", assumed)
    unknown = {
        run.status
        for role_id in trial.ids.values()
        for _, run in transcript.statuses(role_id)
        if run.status not in ACTIVE_STATUSES | TERMINAL_STATUSES
    }
    answer = _course([(exchange, run.status) for exchange, run in statuses])
    end = statuses[-1][1]
    queued = seconds_between(end.raw.get("createTime"), end.raw.get("startTime"))
    if queued is not None:
        answer += f"; PENDING for {queued:.1f} s by the service's clock"
    if unknown:
        answer += f"; unknown words: {', '.join(sorted(map(words.short, unknown)))}"
    if not end.is_terminal:
        return Finding(question, f"{answer}; it did not end in time", Verdict.DIFFERS, assumed)
    if end.status != COMPLETED:
        reason = f" ({words.quoted(end.reason, 500)})" if end.reason else ""
        return Finding(question, f"{answer}; it did not complete{reason}", Verdict.DIFFERS, assumed)
    return Finding(question, answer, Verdict.HANDLED if unknown else Verdict.ASSUMED, assumed)


def _course(seen: Sequence[tuple[Exchange, str | None]]) -> str:
    """The values in their order, each with the time since the first answer."""
    parts: list[str] = []
    last: str | None = ""
    for exchange, value in seen:
        if value != last:
            parts.append(f"{words.short(str(value))} at {exchange.ended_at - seen[0][0].at:.1f} s")
            last = value
    return ", ".join(parts)


def _application(transcript: Transcript, trial: Trial) -> Finding:
    question = "What does kubeApp.status show, and when?"
    assumed = "any word; kubeApp may be null"
    statuses = transcript.statuses(trial.ids.get(LOG, ""))
    if not statuses:
        return not_seen(question, "no status was seen", assumed)
    course = _course(
        [(exchange, run.kube_app.status if run.raw.get("kubeApp") else "null kubeApp") for exchange, run in statuses]
    )
    unknown = {run.kube_app.status for _, run in statuses} - APP_STATUSES - {None}
    return Finding(question, course, Verdict.HANDLED if unknown else Verdict.ASSUMED, assumed)


def _cancel(transcript: Transcript, trial: Trial) -> Finding:
    question = "How long does a cancel take, and what is the run then?"
    assumed = f"up to {CANCEL_SECONDS:.0f} s; then it is {CANCELLED}"
    run_id = trial.ids.get(CANCEL, "")
    cancels = transcript.of("cancelJobRun", run_id)
    if not cancels:
        return not_seen(question, _why_not_observed(trial, CANCEL, "the run never ran"), assumed)
    cancel, end = cancels[0], transcript.end(run_id)
    if not cancel.succeeded:
        return Finding(question, f"the cancel was answered {cancel.status}", Verdict.DIFFERS, assumed)
    if end is None:
        seen = transcript.statuses(run_id)[-1]
        waited = seen[0].at - cancel.at
        return Finding(question, f"the run was still {seen[1].status} after {waited:.0f} s", Verdict.DIFFERS, assumed)
    seconds, run = end[0].at - cancel.at, end[1]
    between = {
        seen.status
        for exchange, seen in transcript.statuses(run_id)
        if exchange.at > cancel.at and not seen.is_terminal
    }
    until_then = f", {' and '.join(sorted(between))} until then" if between else ""
    answer = f"{cancel.status}; {run.status} after {max(0.0, seconds):.1f} s{until_then}"
    if run.status != CANCELLED:
        return Finding(question, answer, Verdict.DIFFERS, assumed)
    return Finding(question, answer, Verdict.ASSUMED if seconds <= CANCEL_SECONDS + 5 else Verdict.HANDLED, assumed)


def _torn_down(transcript: Transcript, trial: Trial) -> Finding:
    question = "How long is a cancelled run torn down after its end?"
    assumed = "any time; such a run is not re-attached to"
    run_id = trial.ids.get(CANCEL, "")
    end = transcript.end(run_id)
    if end is None or end[1].status != CANCELLED:
        return not_seen(question, _why_not_observed(trial, CANCEL, "no run was cancelled"), assumed)
    after = [
        (exchange, run.kube_app.status) for exchange, run in transcript.statuses(run_id) if exchange.at >= end[0].at
    ]
    return Finding(question, _course(after), Verdict.ASSUMED, assumed)


def _cancel_of_ended(transcript: Transcript, trial: Trial) -> Finding:
    question = "How is the cancel of a run that has ended answered?"
    assumed = "any 2xx, 404 or 409; the run stays as it is"
    cancels = transcript.of("cancelJobRun", trial.ids.get(LOG, ""))
    end = transcript.end(trial.ids.get(LOG, ""))
    if not cancels or end is None or cancels[0].at < end[0].at:
        return not_seen(question, "it was not tried", assumed)
    status = cancels[0].status
    fits = cancels[0].succeeded or status in (404, 409)
    return Finding(question, str(status), Verdict.ASSUMED if fits else Verdict.DIFFERS, assumed)


def _timeout_word(transcript: Transcript, trial: Trial) -> Finding:
    question = "What is a run that exceeds timeoutSeconds?"
    assumed = "TIMED_OUT; FAILED with the event RUN_FAIL_EXEC; CANCELLED at its timeoutSeconds"
    end = transcript.end(trial.ids.get(TIMEOUT, ""))
    if end is None:
        if TIMEOUT not in trial.ids:
            return not_seen(question, _why_not_observed(trial, TIMEOUT, ""), assumed)
        return Finding(question, "it did not end in time", Verdict.DIFFERS, assumed)
    run = end[1]
    codes = [event.code for event in run.kube_app.events if event.code and "FAIL" in event.code]
    answer = run.status + (f", with the event {words.short(codes[-1])}" if codes else "")
    fits = run.status in (TIMED_OUT, CANCELLED) or run.has_timed_out
    return Finding(question, answer, Verdict.ASSUMED if fits else Verdict.DIFFERS, assumed)


def _timeout_counts(transcript: Transcript, trial: Trial) -> Finding:
    question = "Does timeoutSeconds count the time PENDING?"
    assumed = "either"
    end = transcript.end(trial.ids.get(TIMEOUT, ""))
    if end is None:
        return not_seen(question, _why_not_observed(trial, TIMEOUT, "the run did not end"), assumed)
    raw, limit = end[1].raw, trial.plan.timeout_seconds
    whole = seconds_between(raw.get("createTime"), raw.get("completeTime"))
    queued = seconds_between(raw.get("createTime"), raw.get("startTime"))
    if whole is None:
        return not_seen(question, "the run has no times", assumed)
    if queued is None:
        return Finding(
            question, f"yes: it ended {whole:.1f} s after its creation, before it ran", Verdict.ASSUMED, assumed
        )
    ran = whole - queued
    answer = f"{whole:.1f} s after its creation and {ran:.1f} s after its start, with {limit} s"
    if queued < 1.0:
        return not_seen(question, f"it was PENDING too shortly to tell: it ended {answer}", assumed)
    counts = abs(whole - limit) < abs(ran - limit)
    return Finding(question, f"{'yes' if counts else 'no'}: it ended {answer}", Verdict.ASSUMED, assumed)


def _cost(transcript: Transcript, trial: Trial) -> Finding:
    question = "When is the cost of a run known?"
    assumed = "any time, or never: the summary shows what is known at the end"
    run_id = trial.ids.get(LOG, "")
    end = transcript.end(run_id)
    seen = [exchange for exchange in transcript.of("getJobRunMetrics", run_id) if exchange.succeeded]
    if end is None or not seen:
        return not_seen(question, "the metrics were not read", assumed)
    known = next((exchange for exchange in seen if _cost_in(exchange) is not None), None)
    if known is None:
        return Finding(question, f"not within {seen[-1].at - end[0].at:.0f} s of the end", Verdict.ASSUMED, assumed)
    when = "at once" if known is seen[0] else f"within {known.at - end[0].at:.0f} s"
    return Finding(question, f"{when} after the end", Verdict.ASSUMED, assumed)


def _cost_in(exchange: Exchange) -> object:
    try:
        return exchange.document["instant_metrics"][COST]["metric"]["data"]["value"]
    except (KeyError, TypeError):
        return None


def _failures(transcript: Transcript, trial: Trial) -> Finding:
    question = "Which calls failed?"
    assumed = "transient failures are repeated"
    log_id = trial.ids.get(LOG, "")
    odd: list[str] = []
    for exchange in transcript:
        expected = exchange.operation in ("cancelJobRun", "getJobRunLogs") and exchange.path.split("/")[2] == log_id
        if not exchange.succeeded and not (expected and exchange.status is not None):
            odd.append(f"{exchange.operation} {exchange.status or 'without an answer'}")
    if not odd:
        return Finding(question, "none", Verdict.ASSUMED, assumed)
    counted = ", ".join(f"{odd.count(kind)} x {kind}" for kind in sorted(set(odd)))
    return Finding(question, counted, Verdict.HANDLED, assumed)


def _why_not_observed(trial: Trial, role: str, otherwise: str) -> str:
    if role not in trial.ids:
        return (
            f"no run was created for this ({trial.failures[role]})" if role in trial.failures else "no run was created"
        )
    return otherwise
