"""``make dist``: the distributions and their SBOMs, and that a second build gives the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots import __version__
from dev.tree import MADE
from tests.support.places import CHECKOUT

PROVIDER = f"airflow_provider_wherobots-{__version__}"
SERVER = f"wherobots_local-{__version__}"
# A build of the local server that is never the same.
HOOK = """
from uuid import uuid4
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        with open("wherobots_local/build_id.py", "w") as file:
            file.write(f"BUILD = '{uuid4()}'")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy, because ``make dist`` replaces ``dist/``."""
    copy = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, copy, ignore=lambda _, names: [name for name in names if MADE.fullmatch(name)])
    return copy


def make_dist(checkout: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    return subprocess.run(["dev/dist.sh"], cwd=checkout, env=env, capture_output=True, text=True, check=False)


def sbom(checkout: Path, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The component that the SBOM describes, and the versions of what it depends on."""
    document = json.loads((checkout / "dist" / f"{name}.cdx.json").read_text())
    versions = {component["name"]: component["version"] for component in document["components"]}
    return document["metadata"]["component"], versions


@pytest.mark.timeout(1800)
def test_each_package_has_a_wheel_a_source_distribution_and_an_sbom(checkout: Path) -> None:
    done = make_dist(checkout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (checkout / "dist").iterdir() if path.name != ".gitignore"} == {
        f"{name}{suffix}" for name in (PROVIDER, SERVER) for suffix in ("-py3-none-any.whl", ".tar.gz", ".cdx.json")
    }
    provider, beside_provider = sbom(checkout, PROVIDER)
    server, beside_server = sbom(checkout, SERVER)
    assert (provider["name"], provider["version"]) == ("airflow-provider-wherobots", __version__)
    assert (server["name"], server["version"]) == ("wherobots-local", __version__)
    assert beside_provider["apache-airflow"] == "3.3.1"
    assert {"aiohttp", "cbor2", "pyarrow", "requests"} <= set(beside_provider)
    assert {"duckdb", "starlette", "uvicorn"} <= set(beside_server)
    assert "apache-airflow" not in beside_server


def test_a_build_that_is_not_reproducible_fails_with_the_name_of_the_file(checkout: Path) -> None:
    project = checkout / "local_server" / "pyproject.toml"
    project.write_text(project.read_text() + "\n[tool.hatch.build.hooks.custom]\n")
    (checkout / "local_server" / "hatch_build.py").write_text(HOOK)

    done = make_dist(checkout)

    assert done.returncode == 1
    assert done.stdout.endswith(f"Two builds of {SERVER}-py3-none-any.whl differ.\n")
