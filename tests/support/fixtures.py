"""Fixtures of the tests of both packages."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.support.certificates import make_certificate
from tests.support.installed import imported_from_elsewhere

if TYPE_CHECKING:
    # Playwright is in two environments only; these fixtures are imported in all of them.
    from playwright.sync_api import Browser

# A shell starts its background jobs with SIGINT ignored, and what they start inherits that; tests interrupt programs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUM_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    # A page may load a font or an image from elsewhere, where nothing responds.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session", autouse=True)
def installed_packages() -> None:
    """Where make runs the tests, both packages are the installed wheels. ``make venv`` makes another environment."""
    if os.environ.get("WHEELS_ONLY") and (wrong := imported_from_elsewhere()):
        pytest.fail("; ".join(wrong))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key, as PEM files."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture(scope="session")
def uv() -> Callable[..., str]:
    """Runs this environment's ``uv`` and returns what it prints."""
    program = Path(sys.prefix) / "bin" / "uv"
    if not program.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no uv in this environment")

    def run(*arguments: str | Path) -> str:
        # The pins of this environment do not apply to environments that a test makes.
        variables = {name: value for name, value in os.environ.items() if name != "UV_CONSTRAINT"}
        command = [program, *arguments]
        return subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True).stdout

    return run


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
