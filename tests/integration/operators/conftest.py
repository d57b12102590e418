"""How long a kill on a worker may take."""

import pytest

from airflow_provider_wherobots.flows.retry import WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.tasks import run_attempt, sql_attempt

KILL_SECONDS = run_attempt.KILL_SECONDS


def allow(of_run: float, of_statement: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_attempt, "KILL_SECONDS", of_run)
    monkeypatch.setattr(sql_attempt, "WORKER_CANCEL_BUDGET_SECONDS", of_statement)


@pytest.fixture(autouse=True)
def patient_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute: a busy machine may not answer in the time that Airflow leaves."""
    allow(60.0, 60.0, monkeypatch)


@pytest.fixture
def prompt_kills(monkeypatch: pytest.MonkeyPatch, patient_kills: None) -> None:
    """The time that Airflow leaves."""
    allow(KILL_SECONDS, WORKER_CANCEL_BUDGET_SECONDS, monkeypatch)
