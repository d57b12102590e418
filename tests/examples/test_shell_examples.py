"""The commands in the pages about the local server and the command line, as they stand there, with another port."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from tests.support.places import TREE
from tests.support.ports import HeldPort
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(shutil.which("curl") is None and not os.environ.get("CI"), reason="no curl")

SERVER = "local_server/docs/server.md"

Shell = Callable[..., str]


def blocks(page: str, heading: str, kind: str = "bash") -> list[str]:
    """The commands below a heading, up to the next one."""
    text = (TREE / page).read_text().partition(f"\n{heading}\n")[2]
    found = re.findall(rf"^```{kind}\n(.*?)^```$", re.split(r"^#", text, flags=re.MULTILINE)[0], re.M | re.DOTALL)
    # A comment in a block begins like a heading: none of these blocks has one.
    assert found, f"no block below {heading!r}"
    return [str(block) for block in found]


@pytest.fixture
def port() -> Iterator[int]:
    held = HeldPort()
    yield held.number
    held.release()


@pytest.fixture
def shell(tmp_path: Path, port: int) -> Iterator[Shell]:
    """Runs commands and returns what they print. The last line of those that start the server goes on running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WHEROBOTS_", "AIRFLOW_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(TREE)
    environment["no_proxy"] = "*"
    servers: list[subprocess.Popen[str]] = []

    def run(commands: str, *, serve: bool = False) -> str:
        script = commands.replace("8765", str(port))
        if not serve:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr + done.stdout
            return done.stdout
        *first, last = script.strip().splitlines()
        script = "\n".join([*first, f"exec {last} --port {port} --ready-file ready.json"])
        output = tmp_path / "output"
        with output.open("w") as file:
            servers.append(
                subprocess.Popen(["bash", "-euc", script], cwd=tmp_path, env=environment, stdout=file, stderr=file)  # type: ignore[arg-type]
            )
        ready = tmp_path / "ready.json"
        wait_for(lambda: ready.exists() or servers[-1].poll() is not None, what="the server to be ready")
        assert servers[-1].poll() is None, output.read_text()
        return output.read_text()

    yield run
    for server in servers:
        server.kill()
        server.wait()


def test_the_quick_start_of_the_local_server(shell: Shell, port: int, tmp_path: Path) -> None:
    start, run, connection = blocks(SERVER, "## Quick start")
    printed = shell(start, serve=True)
    said = shell(run)
    assert '"status":"COMPLETED"' in said
    assert '"raw":"hello world"' in said
    found = shell(f'{connection}\nprintf %s "$AIRFLOW_CONN_WHEROBOTS_DEFAULT"')
    (told,) = re.findall(r"AIRFLOW_CONN_WHEROBOTS_DEFAULT='(.*)'$", printed, re.MULTILINE)
    assert json.loads(found) == json.loads(told.replace("'\"$WHEROBOTS_API_KEY\"'", "local-key"))
    # The terminal shows what the page says that it shows.
    (shown,) = blocks(SERVER, "## Quick start", "text")
    pattern = re.escape(shown.splitlines()[-1])
    for example, anything in (
        ("10:15:02", r"[\d:]+"),
        ("k3v9x0rq2etc4p", r"\w+"),
        (r"0\.1", r"[\d.]+"),
        ("/home/me", ".*"),
    ):
        pattern = pattern.replace(example, anything)
    assert re.search(f"^{pattern}$", (tmp_path / "output").read_text(), re.MULTILINE), pattern


def test_an_upload_with_curl(shell: Shell, tmp_path: Path) -> None:
    start, *_ = blocks(SERVER, "## Quick start")
    (upload,) = blocks("local_server/docs/api.md", "### Upload a script with curl")
    shell(start, serve=True)
    (tmp_path / "hello.py").write_text("print('uploaded')\n")
    assert '"status":"PENDING"' in shell(upload)


def test_the_recipe_for_airflow_in_docker(shell: Shell, port: int, tmp_path: Path) -> None:
    (start,) = blocks(SERVER, "## Airflow in Docker")
    printed = shell(start, serve=True)
    assert f'"host": "https://host.docker.internal:{port}"' in printed
    page = (TREE / SERVER).read_text()
    (check,) = re.findall(r"`(curl --cacert [^`]+)`", page)
    assert '"ok"' in shell(check)

    (compose,) = blocks(SERVER, "## Airflow in Docker", "yaml")
    common = yaml.safe_load(compose.replace("8765", str(port)))["x-airflow-common"]
    connection = json.loads(common["environment"]["AIRFLOW_CONN_WHEROBOTS_DEFAULT"])
    (told,) = re.findall(r"AIRFLOW_CONN_WHEROBOTS_DEFAULT='(.*)'$", printed, re.MULTILINE)
    assert connection == json.loads(told.replace("'\"$WHEROBOTS_API_KEY\"'", "${WHEROBOTS_API_KEY}"))
    (mounted,) = (volume.split(":") for volume in common["volumes"])
    assert (tmp_path / mounted[0]).is_file()
    assert mounted[1:] == [common["environment"]["REQUESTS_CA_BUNDLE"], "ro"]


def test_the_command_line(shell: Shell, tmp_path: Path) -> None:
    start, run, connection = blocks(SERVER, "## Quick start")
    shell(start, serve=True)
    shell(run)
    airflow = f"export AIRFLOW_HOME={tmp_path / 'airflow'}\n{connection}\n"
    listed = json.loads(shell(f"{airflow}python -m airflow_provider_wherobots runs list --output json"))
    assert [row["status"] for row in listed] == ["COMPLETED"]
    (runs,) = blocks("docs/command-line.md", "## Runs")
    assert json.loads(shell(airflow + runs)) == []
    (orphans,) = blocks("docs/command-line.md", "## Orphans")
    assert shell(airflow + orphans) == "0 active runs\n" * 2


def test_the_doctor_against_the_local_server(shell: Shell, tmp_path: Path) -> None:
    start, run = blocks("docs/command-line.md", "### Try it against the local server")
    shell(start, serve=True)
    # The commands of a page are run without the settings of this machine's Airflow.
    printed = shell(f"export AIRFLOW_HOME={tmp_path / 'airflow'}\n{run}")
    (shown,) = blocks("docs/command-line.md", "### Try it against the local server", "text")
    assert printed.endswith(shown)
    assert "Does a run complete?" in printed
    assert "local-key" not in printed


def test_the_nightly_guide_writes_what_its_script_reads(shell: Shell, tmp_path: Path) -> None:
    (write,) = blocks("docs/nightly-script.md", "## On the local server")
    shell(write)
    header, *rows = (tmp_path / "data/wherobots-demo/rain/readings.csv").read_text().splitlines()
    schema = re.search(r'schema="(.*?)"', (TREE / "docs/nightly-script.md").read_text())
    assert schema is not None
    assert header.split(",") == [column.split()[0] for column in schema[1].split(", ")]
    yesterday = date.today() - timedelta(days=1)
    assert f"ZRH,{yesterday},1.5" in rows
