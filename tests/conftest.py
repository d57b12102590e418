"""Fixtures that tests of several folders share."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.fixtures import certificate, chromium, installed_packages, uv

__all__ = ["certificate", "chromium", "installed_packages", "uv"]

# Set before anything imports Airflow, so that no airflow.cfg of this machine, perhaps of another version, is read.
_home = tempfile.mkdtemp(prefix="airflow-home-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home

AT_SIZE = Path(__file__).parent / "at_size"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests at size, which take hours, unless one of their files or their folder is named."""
    if collection_path != AT_SIZE:
        return None
    named = (Path(arg.partition("::")[0]).resolve() for arg in config.args)
    return None if any(path.is_relative_to(AT_SIZE) for path in named) else True
