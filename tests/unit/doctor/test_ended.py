from __future__ import annotations

import pytest

from airflow_provider_wherobots.doctor.check import State
from airflow_provider_wherobots.doctor.read_runs import OBSERVING, runs_check
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Trial
from tests.unit.doctor.recorded import IDS, PLAN


@pytest.mark.parametrize(
    ("ids", "creating", "left", "state", "text"),
    [
        (("r1", "r2"), "", (), State.WARNING, "Interrupted; the runs were cancelled: r1, r2."),
        ((), "", (), State.WARNING, "Interrupted; no run was left to cancel."),
        (
            ("r1",),
            "cancel",
            (),
            State.WARNING,
            "A run named airflow-doctor-cancel-0123456789ab may exist: its create had no response (interrupted), and "
            "no list showed it in 1 minute. Cancelled: r1.",
        ),
        (
            ("r1", "r2"),
            "timeout",
            ("r2",),
            State.FAILED,
            "r2 may still be active. A run named airflow-doctor-timeout-0123456789ab may exist: its create had no"
            " response (interrupted), and no list showed it in 1 minute. Cancelled: r1.",
        ),
    ],
)
def test_an_interrupted_doctor_reports_what_became_of_each_run(
    ids: tuple[str, ...], creating: str, left: tuple[str, ...], state: State, text: str
) -> None:
    roles = dict(zip(("log", "cancel"), ids, strict=False))
    trial = Trial(PLAN, ids=roles, creating=set(filter(None, [creating])))
    check = runs_check(trial, left, interrupted=True)
    assert (check.state, check.text) == (state, text)
    if creating:
        assert check.advice == (
            "find active ones with runs list --name '*-0123456789ab', and cancel them with runs cancel RUN_ID --yes"
        )


@pytest.mark.parametrize(
    ("ids", "ended", "failures", "state", "text"),
    [
        (IDS, {LOG, CANCEL, TIMEOUT}, {}, State.OK, "3 runs named *-0123456789ab were created, and all have ended."),
        ({}, (), {LOG: "full"}, State.FAILED, "No run could be created (full)."),
        ({LOG: "r1"}, {LOG}, {CANCEL: "full"}, State.WARNING, "Not all runs could be created (full)."),
        (IDS, {LOG}, {}, State.FAILED, "2 runs were cancelled before they had ended (they took too long)."),
        (IDS, {LOG}, {OBSERVING: "401"}, State.FAILED, "2 runs were cancelled before they had ended (401)."),
    ],
)
def test_what_became_of_the_runs(
    ids: dict[str, str], ended: set[str], failures: dict[str, str], state: State, text: str
) -> None:
    check = runs_check(Trial(PLAN, ids=dict(ids), ended=set(ended), failures=failures), (), interrupted=False)
    assert (check.state, check.text) == (state, text)
