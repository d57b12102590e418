"""uv is told what pip knows of mirrors and certificates, and what uv was told itself wins."""

import subprocess
from pathlib import Path

import pytest

from dev.places import TREE

pytestmark = pytest.mark.once


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtualenv whose pip has one certificate configured, and whose uv prints its environment."""
    for name, script in {
        "python": '[ "$*" = "-m pip config get global.cert" ] && echo /configured.pem',
        "uv": "env",
    }.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return tmp_path


def environment_of_uv(venv: Path, **variables: str) -> dict[str, str]:
    output = subprocess.check_output(
        [TREE / "dev" / "uv.sh", venv, "pip", "install"], env={"PATH": "/usr/bin:/bin", **variables}, text=True
    )
    return dict(line.split("=", 1) for line in output.splitlines())


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({}, "/configured.pem"),
        ({"REQUESTS_CA_BUNDLE": "/requests.pem"}, "/requests.pem"),
        ({"CURL_CA_BUNDLE": "/curl.pem"}, "/curl.pem"),
        ({"PIP_CERT": "/pip.pem", "REQUESTS_CA_BUNDLE": "/requests.pem"}, "/pip.pem"),
        ({"SSL_CERT_FILE": "/uv.pem", "PIP_CERT": "/pip.pem"}, "/uv.pem"),
    ],
)
def test_uv_trusts_the_certificates_that_pip_is_told_of(variables: dict[str, str], file: str, venv: Path) -> None:
    assert environment_of_uv(venv, **variables)["SSL_CERT_FILE"] == file


@pytest.mark.parametrize(
    ("variables", "trusted"),
    [({}, "true"), ({"UV_SYSTEM_CERTS": "false"}, "false"), ({"UV_NATIVE_TLS": "false"}, "false")],
)
def test_uv_trusts_the_certificates_of_the_system_as_pip_does(
    variables: dict[str, str], trusted: str, venv: Path
) -> None:
    told = environment_of_uv(venv, **variables)

    assert told["UV_SYSTEM_CERTS"] == trusted
    assert "UV_NATIVE_TLS" not in told
