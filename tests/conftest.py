"""Fixtures that tests of several folders share."""

import atexit
import os
import shutil
import tempfile

import pytest

from dev.environments import Environment, environment

# Before anything imports Airflow: a home of its own, so that no airflow.cfg of this machine, perhaps of another
# version, has a say.
_home = tempfile.mkdtemp(prefix="airflow-home-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home


@pytest.fixture(scope="session", params=["3.3", "2.11"])
def airflow_environment(request: pytest.FixtureRequest) -> Environment:
    """The virtualenv of each supported Airflow line; missing ones are a failure in CI and a skip elsewhere."""
    found = environment(request.param)
    if not found.exists:
        (pytest.fail if os.environ.get("CI") and not found.left_out else pytest.skip)(found.missing)
    return found
