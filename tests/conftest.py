"""Fixtures that tests of several folders share."""

import os

import pytest

from dev.environments import Environment, environment


@pytest.fixture(scope="session", params=["3.3", "2.11"])
def airflow_environment(request: pytest.FixtureRequest) -> Environment:
    """The virtualenv of each supported Airflow line; missing ones are a failure in CI and a skip elsewhere."""
    found = environment(request.param)
    if not found.exists:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(found.missing)
    return found
