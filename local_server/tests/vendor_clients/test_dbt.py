"""The vendor's dbt adapter, unchanged, over TLS: the commands of the page about dbt, on its example project."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local_server.tests.started import Started
from local_server.tests.support import KEY
from tests.support.dbt import EXAMPLE, PAGE, install_dbt

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def block(heading: str, kind: str) -> str:
    """The last block below a heading of the page."""
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return str(re.findall(rf"^```{kind}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[-1])


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, uv: Callable[..., str]) -> Path:
    """What the page installs, in an environment of its own."""
    return install_dbt(uv, tmp_path_factory.mktemp("dbt") / "environment")


def run_commands(server: Started, project: Path, programs: Path) -> str:
    """Run the commands of the page, and return what they print."""
    bundle = str(project.parent / "certificate" / "ca-bundle.pem")
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    variables = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "WHEROBOTS_API_KEY": KEY,
        "WHEROBOTS_LOCAL_PORT": str(server.ready["port"]),
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_WARN_ERROR": "true",
    }
    done = subprocess.run(
        ["bash", "-euc", block("The example", "bash")],
        cwd=project,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + server.printed()
    return done.stdout


def test_a_project_is_built_twice_and_its_tests_find_what_they_know(tmp_path: Path, programs: Path) -> None:
    project = shutil.copytree(EXAMPLE, tmp_path / "project")
    # The second delivery meets the tables that another server has left.
    for _ in range(2):
        with Started(tmp_path, "--make-certificate", str(tmp_path / "certificate"), key=KEY) as server:
            printed = run_commands(server, project, programs)
        assert "PASS=19 WARN=0 ERROR=0 SKIP=0" in printed
        assert "| Zürich    | Reykjavík   | 2,620 |" in printed


def test_the_page_shows_the_profile_of_the_example() -> None:
    assert block("The profile", "yaml") == (EXAMPLE / "profiles.yml").read_text()
