"""What the recorded answers say about List Runs: its filter, its order, its delay. Re-attaching depends on them."""

from __future__ import annotations

from airflow_provider_wherobots.api.runs.models import RunPage
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import LOG, Trial
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict, not_seen
from airflow_provider_wherobots.flows.submit import LOOK_UP_DELAYS

NOT_LISTED = "no list was read"


def list_findings(transcript: Transcript, trial: Trial) -> list[Finding]:
    """Answer the open questions about List Runs.

    :param transcript: what was sent and answered.
    :param trial: the runs it was sent for.
    """
    return [
        _delay(transcript, trial),
        _pattern(transcript, trial),
        _filter(transcript, trial),
        _order(transcript, trial),
    ]


def _lists(transcript: Transcript, name: str | None) -> list[tuple[Exchange, RunPage]]:
    found = []
    for exchange in transcript.of("listJobRuns"):
        if exchange.succeeded and exchange.param("name") == name:
            try:
                found.append((exchange, RunPage.from_json(exchange.document)))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
    return found


def _delay(transcript: Transcript, trial: Trial) -> Finding:
    seconds = sum(LOOK_UP_DELAYS)
    question = "How soon does List Runs show a new run?"
    assumed = f"within {seconds:.0f} s; a create whose answer was lost is looked up that long"
    name = trial.plan.name(LOG)
    create, lists = transcript.create(name), _lists(transcript, name)
    if create is None or not lists:
        return not_seen(question, NOT_LISTED, assumed)
    shown = next((exchange for exchange, page in lists if trial.ids[LOG] in [run.id for run in page.items]), None)
    if shown is None:
        return Finding(question, f"not within {trial.plan.list_seconds:.0f} s", Verdict.DIFFERS, assumed)
    late = shown.at - create.ended_at
    # Between two looks lies a poll: the first look that finds it at once tells no more than "at once".
    when = "at once" if shown is lists[0][0] else f"after {late:.1f} s"
    return Finding(question, when, Verdict.ASSUMED if late <= seconds else Verdict.DIFFERS, assumed)


def _pattern(transcript: Transcript, trial: Trial) -> Finding:
    question = "Does the name filter *-suffix find the runs of a suffix, and no others?"
    assumed = "it finds all of them; others are sorted out"
    lists = _lists(transcript, f"*-{trial.plan.suffix}")
    if not lists:
        return not_seen(question, NOT_LISTED, assumed)
    ids, own = [run.id for run in lists[-1][1].items], set(trial.ids.values())
    if own - set(ids):
        return Finding(question, f"{len(own - set(ids))} of {len(own)} runs are missing", Verdict.DIFFERS, assumed)
    others = len(set(ids) - own)
    return Finding(question, f"yes{f', and others ({others})' if others else ''}", Verdict.ASSUMED, assumed)


def _filter(transcript: Transcript, trial: Trial) -> Finding:
    question = "Does a name without * match the whole name, or a part of it?"
    assumed = "either"
    name = trial.plan.name(LOG)
    whole = [run.id for _, page in _lists(transcript, name) for run in page.items]
    parts = _lists(transcript, name[1:-1])
    if not parts or trial.ids.get(LOG) not in whole:
        return not_seen(question, NOT_LISTED, assumed)
    matches = trial.ids[LOG] in [run.id for run in parts[-1][1].items]
    return Finding(question, "a part of it" if matches else "the whole name", Verdict.ASSUMED, assumed)


def _order(transcript: Transcript, trial: Trial) -> Finding:
    question = "In which order does List Runs show runs?"
    assumed = "any"
    lists = _lists(transcript, None) or _lists(transcript, f"*-{trial.plan.suffix}")
    times = [run.create_time for run in lists[-1][1].items] if lists else []
    known = [time for time in times if time is not None]
    if len(set(known)) < 2:
        return not_seen(question, "there are too few runs", assumed)
    newest, oldest = sorted(known, reverse=True), sorted(known)
    answer = "newest first" if known == newest else "oldest first" if known == oldest else "by no time"
    return Finding(question, f"{answer}, seen on {len(known)} runs", Verdict.ASSUMED, assumed)
