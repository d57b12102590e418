"""A real Airflow, a local server as the service, and a user with a headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.browser.airflow_2_ui import AirflowUi2
from tests.browser.airflow_3_ui import AirflowUi3
from tests.browser.screenshots import Screenshots
from tests.support.airflow_instance import AirflowInstance
from tests.support.local_server import LocalServerProcess
from tests.support.places import TREE
from tests.support.processes import ProcessFamily

if TYPE_CHECKING:
    # Playwright is in one environment only; these tests are collected in all of them.
    from playwright.sync_api import Browser, ViewportSize

HERE = Path(__file__).parent
EXAMPLES = (
    "dev/example_wherobots_demo.py",
    "example_dags/example_wherobots_mapped.py",
    "example_dags/example_wherobots_spark.py",
)
JOBS = TREE / "example_dags" / "jobs"
SCRIPTS = {"airport_neighbours.py": "every_level.py", "rain_by_region.py": "rain_until_go.py"}
"""The scripts that the examples start, and what they are here."""
PATIENCE_MS = 60_000
WINDOW: ViewportSize = {"width": 1280, "height": 800}
Ui = AirflowUi2 | AirflowUi3
"""A user in front of either."""


@dataclass
class Service:
    """The local server, and the job that the example DAG starts there.

    :param server: the server.
    :param root: the folder behind its ``s3://``.
    """

    server: LocalServerProcess
    root: Path

    @property
    def host(self) -> str:
        """Its address without the port."""
        return self.server.url.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.server.url).port or 80

    def hold_jobs(self) -> None:
        """Let jobs wait when they have said their lines, and ``every_level.py`` before it says them too."""
        for name in ("begin", "go"):
            (self.root / name).unlink(missing_ok=True)

    def let_jobs_begin(self) -> None:
        """Let a job say its lines.

        Airflow writes a group of lines while a task is deferred, folds it, and sorts by time: the lines of a job that
        begins within it would be hidden.
        """
        (self.root / "begin").touch()

    def let_jobs_end(self) -> None:
        """Let waiting jobs end."""
        (self.root / "go").touch()

    def newest_run(self) -> dict[str, Any]:
        """The run that was created last."""
        run: dict[str, Any] = self._get("/runs?size=1")["items"][0]
        return run

    def log(self, run_id: str) -> list[dict[str, Any]]:
        """The lines of a run's log, each with its ``timestamp`` in nanoseconds and its text, ``raw``."""
        lines: list[dict[str, Any]] = self._get(f"/runs/{run_id}/logs?cursor=0&size=1000")["items"]
        return lines

    def _get(self, path: str) -> Any:
        answer = requests.get(f"{self.server.url}{path}", headers={"X-API-Key": self.server.api_key}, timeout=10)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, where the examples' scripts wait for the file ``go``."""
    root = tmp_path_factory.mktemp("storage")
    jobs = root / "wherobots-demo" / "jobs"
    copy_jobs(jobs)
    shutil.copyfile(JOBS / "rain_by_region.py", jobs / "the_rain.py")
    family = ProcessFamily(f"browser:{root}")
    try:
        with pytest.MonkeyPatch.context() as patch:
            # What pip says in the run's log differs from machine to machine.
            patch.setenv("PIP_QUIET", "1")
            server = LocalServerProcess(family, root, tmp_path_factory.mktemp("server") / "output")
        yield Service(server, root)
    finally:
        family.stop()


def copy_jobs(folder: Path, *, waiting: bool = True) -> None:
    """Copy the examples' jobs, by default with the scripts that wait."""
    shutil.copytree(JOBS, folder, dirs_exist_ok=True)
    for script, here in SCRIPTS.items() if waiting else ():
        shutil.copyfile(HERE / "jobs" / here, folder / script)


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the DAGs: those of these tests, and some examples."""
    dags = tmp_path_factory.mktemp("dags")
    for own in (HERE / "dags").glob("*.py"):
        shutil.copyfile(own, dags / own.name)
    for example in EXAMPLES:
        shutil.copy(TREE / example, dags)
    # One of the examples uploads the script that lies beside it.
    copy_jobs(dags / "jobs")
    return dags


@pytest.fixture(scope="module")
def airflow(dags: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    """Airflow with some DAGs and without a connection."""
    instance = AirflowInstance(
        tmp_path_factory.mktemp("airflow"),
        dags_folder=dags,
        env={"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"},
        progress=print,
    )
    with instance:
        yield instance


@pytest.fixture
def real_jobs(airflow: AirflowInstance, service: Service) -> Iterator[None]:
    """Until the end of the test, the examples run their own scripts."""
    folders = (airflow.dags_folder / "jobs", service.root / "wherobots-demo" / "jobs")
    for folder in folders:
        copy_jobs(folder, waiting=False)
    yield
    for folder in folders:
        copy_jobs(folder)


@pytest.fixture
def screenshots(airflow: AirflowInstance, tmp_path: Path) -> Screenshots:
    """Pictures of this Airflow."""
    return Screenshots(tmp_path, airflow.version.rpartition(".")[0])


@pytest.fixture
def ui(chromium: Browser, airflow: AirflowInstance, tmp_path: Path) -> Iterator[Ui]:
    """A user who has logged in."""
    context = chromium.new_context(
        base_url=f"{airflow.url}/", viewport=WINDOW, locale="en-US", timezone_id="UTC", color_scheme="light"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    user: Ui = AirflowUi3(page) if airflow.is_airflow_3 else AirflowUi2(page)
    try:
        user.log_in(airflow.credentials.username, airflow.credentials.password)
        yield user
    finally:
        # Shown by pytest when the test failed.
        print(f"At the end the page {page.url} showed:\n{page.locator('body').aria_snapshot()}")
        page.screenshot(path=tmp_path / "at-the-end.png")
        context.close()
