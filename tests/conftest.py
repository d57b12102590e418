"""Fixtures that tests of several folders share."""

from __future__ import annotations

import atexit
import ipaddress
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from dev.certificates import make_certificate
from dev.environments import END_TO_END, Environment, environment
from dev.matrix_jobs import NEWEST
from dev.warned import Warned

if TYPE_CHECKING:
    # Playwright is in one environment only; these tests are collected in all of them.
    from playwright.sync_api import Browser

# Before anything imports Airflow: a home of its own, so that no airflow.cfg of this machine, perhaps of another
# version, has a say.
_home = tempfile.mkdtemp(prefix="airflow-home-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home

# A shell starts its background jobs with SIGINT ignored, and what they start inherits that; tests interrupt programs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


CHROMIUM_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    # A page may ask for a font or an image from elsewhere; nobody is there.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key, as PEM files."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or the one that the variable CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        reason = "no chromium: install it, or name one in the variable CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses to work for root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_ARGUMENTS, *sandbox])
        yield browser
        browser.close()
