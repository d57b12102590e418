"""The doctor's check of the log handler, on each Airflow."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.utils.log.file_task_handler import FileTaskHandler

from airflow_provider_wherobots.cli.doctor import check_trigger_logs
from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.doctor.checks import LOCAL, State

Use = Callable[[type], None]


class S3RemoteLogIO:
    """Called like Airflow's."""


class CloudWatchRemoteLogIO:
    """Called like Airflow's."""


class DroppingHandler(FileTaskHandler):
    """Airflow 2.11 asks a class itself, not its bases, whether it supports triggers."""


class S3TaskHandler(FileTaskHandler):
    """Called like Airflow's."""

    trigger_should_wrap = True


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Use:
    def use_class(handler: type) -> None:
        if AIRFLOW >= (3, 0):
            monkeypatch.setattr("airflow.sdk.log.load_remote_log_handler", handler)
        else:
            monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler()])
            monkeypatch.setattr(logging.getLogger("airflow.task"), "handlers", [handler(str(tmp_path))])

    return use_class


@pytest.fixture
def keeping() -> type:
    return S3RemoteLogIO if AIRFLOW >= (3, 0) else S3TaskHandler


@pytest.fixture
def dropping() -> type:
    return CloudWatchRemoteLogIO if AIRFLOW >= (3, 0) else DroppingHandler


def test_without_remote_logging_it_depends_on_the_folder() -> None:
    found = check_trigger_logs()
    assert found.state is State.NOT_CHECKED
    assert "base_log_folder" in found.text


def test_a_handler_that_keeps_and_one_that_drops(use: Use, keeping: type, dropping: type) -> None:
    use(keeping)
    assert (check_trigger_logs().state, check_trigger_logs().advice) == (State.OK, "")
    use(dropping)
    assert check_trigger_logs().state is State.WARNING
    assert check_trigger_logs().text.startswith(dropping.__name__)


def test_no_connection_on_a_triggerer_of_3_0_to_3_2(use: Use, keeping: type, monkeypatch: pytest.MonkeyPatch) -> None:
    use(keeping)
    monkeypatch.setenv("AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID", "my_logs")
    affected = (3, 0) <= AIRFLOW < (3, 3)
    assert ("65729" in check_trigger_logs().text) is affected
    monkeypatch.setenv("AIRFLOW_CONN_MY_LOGS", "aws://")
    assert check_trigger_logs().state is State.OK


def test_a_wrong_value_of_the_setting_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__COPY_LOG_ON_RESUME", "tail")
    found = check_trigger_logs()
    assert found.state is State.FAILED
    assert '"copy_log_on_resume"' in found.text


def test_a_handler_that_cannot_be_loaded_shows_no_secret(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("https://user:secret@example.com")

    monkeypatch.setattr("airflow_provider_wherobots.cli.doctor._log_handler", fail)
    assert check_trigger_logs().text == "The log handler cannot be loaded here (RuntimeError)."
    assert LOCAL not in check_trigger_logs().text


@pytest.mark.skipif(AIRFLOW >= (3, 0), reason="a rule of Airflow 2.11")
def test_a_triggerer_of_2_11_gives_nothing_to_the_handler_that_drops(use: Use, dropping: type) -> None:
    from airflow.jobs.triggerer_job_runner import configure_trigger_log_handler  # type: ignore[attr-defined]

    use(dropping)
    with pytest.warns(UserWarning, match="Could not find log handler suitable for individual trigger logging"):
        assert configure_trigger_log_handler() is None
