"""The settings of an instance: what wins, and that secrets are its own."""

from pathlib import Path

import pytest

from dev.airflow_settings import Credentials, airflow_2, airflow_3, as_environment, celery, common, logs_in_s3


def test_later_layers_win() -> None:
    layers = [{"core": {"executor": "A", "parallelism": "8"}}, {"core": {"executor": "B"}}]
    assert as_environment(*layers) == {"AIRFLOW__CORE__EXECUTOR": "B", "AIRFLOW__CORE__PARALLELISM": "8"}


def test_two_instances_share_no_secret() -> None:
    one, other = Credentials.random().as_dict(), Credentials.random().as_dict()
    assert {name for name in one if one[name] == other[name]} == {"username"}


def test_celery_replaces_the_executor_and_the_database() -> None:
    secret = Credentials.random()
    own = common(Path("/home"), Path("/dags"), secret), airflow_3(Path("/home"), 4711, secret)
    env = as_environment(*own, celery("postgresql://d", "redis://b", concurrency=4), logs_in_s3("s3://b/logs", "c"))

    assert env["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql://d"
    assert env["AIRFLOW__CELERY__BROKER_URL"] == "redis://b"
    assert env["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == "s3://b/logs"


@pytest.mark.parametrize("line", ["3", "2"])
def test_an_instance_listens_on_loopback_and_asks_nobody(line: str) -> None:
    secret = Credentials.random()
    own = airflow_3(Path("/home"), 4711, secret) if line == "3" else airflow_2(4711, secret)
    env = as_environment(common(Path("/home"), Path("/dags"), secret), own)
    assert env["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    urls = [value for value in env.values() if value.startswith("http")]
    assert urls
    assert all(url.startswith("http://127.0.0.1:4711") for url in urls)
