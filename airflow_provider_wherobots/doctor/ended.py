"""What became of the doctor's runs."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.doctor.trial import Trial
from airflow_provider_wherobots.flows import words

OBSERVING = "observing"
"""Names why the runs were not observed to their end, among the failures."""


def runs_check(trial: Trial, left: Sequence[str], *, interrupted: bool) -> Check:
    """Whether the runs were created, and have ended. ``left`` are the ids of those that could not be cancelled."""
    plan, name, named = trial.plan, "runs", f"*-{trial.plan.suffix}"
    active = [role for role in trial.ids if role not in trial.ended]
    cancelled = [trial.ids[role] for role in active if trial.ids[role] not in left]
    if left or trial.creating:
        said = [f"{', '.join(left)} may still be active."] if left else []
        if trial.creating:
            names, limit = " and ".join(map(plan.name, sorted(trial.creating))), words.duration(plan.list_seconds)
            why = "; ".join(trial.failures.get(role, "interrupted") for role in sorted(trial.creating))
            said.append(
                f"A run named {names} may exist: its create had no response ({why}), and no list showed it in {limit}."
            )
        if cancelled:
            said.append(f"Cancelled: {', '.join(cancelled)}.")
        advice = f"find active ones with runs list --name '{named}', and cancel them with runs cancel RUN_ID --yes"
        return Check(name, State.FAILED if left else State.WARNING, " ".join(said), advice)
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
        # Such as a full organization: what was not created was not observed.
        text = f"Not all runs could be created ({'; '.join(trial.failures.values())})."
        return Check(name, State.WARNING, text, "repeat the command when the service has room for three runs")
    return Check(name, State.OK, f"{len(trial.ids)} runs named {named} were created, and all have ended.")
