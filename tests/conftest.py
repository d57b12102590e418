"""Fixtures that tests of several folders share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.environments import END_TO_END, Environment, environment
from dev.fixtures import certificate, chromium, installed_packages, uv
from dev.matrix_jobs import NEWEST
from dev.warned import Warned

__all__ = ["certificate", "chromium", "installed_packages", "uv"]

# Before anything imports Airflow: a home of its own, so that no airflow.cfg of this machine, perhaps of another
# version, has a say.
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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--airflow",
        choices=END_TO_END,
        help="of the tests that start an Airflow, only those that start this line; the newest has those of no line too",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--airflow")
    if wanted is not None:
        left = [item for item in items if _started_line(item) not in (None, wanted)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def _started_line(item: pytest.Item) -> str | None:
    if item.get_closest_marker("e2e") is None:
        return None
    parameters: dict[str, str] = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("airflow_environment", NEWEST)


@pytest.fixture(scope="session", params=END_TO_END)
def airflow_environment(request: pytest.FixtureRequest) -> Environment:
    """The virtualenvs whose Airflow is started; a missing one is a failure in CI and a skip elsewhere."""
    found = environment(request.param)
    if not found.exists:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(found.missing)
    return found


@pytest.fixture(autouse=True)
def no_warning_of_ours() -> Iterator[None]:
    """Our code causes no warning: pytest's filters see where a warning points to, this sees where it comes from."""
    with Warned() as warned:
        yield
    assert not warned.told, "\n".join(warned.told)
