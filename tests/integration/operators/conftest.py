"""How long a kill on a worker may take."""

import pytest

from airflow_provider_wherobots.flows.retry import WORKER_CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.tasks import run_attempt, sql_attempt


def allow(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sql_attempt, run_attempt):
        monkeypatch.setattr(module, "WORKER_CANCEL_BUDGET_SECONDS", seconds)


@pytest.fixture(autouse=True)
def patient_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute: a busy machine may not answer in the time that Airflow leaves."""
    allow(60.0, monkeypatch)


@pytest.fixture
def prompt_kills(monkeypatch: pytest.MonkeyPatch, patient_kills: None) -> None:
    """The time that Airflow leaves."""
    allow(WORKER_CANCEL_BUDGET_SECONDS, monkeypatch)
