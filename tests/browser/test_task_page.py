"""The page ``Wherobots`` beside a task instance, in a real browser and a real Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from airflow_provider_wherobots.compat import AIRFLOW
from tests.browser.airflow_3_ui import AirflowUi3
from tests.browser.conftest import Service, Ui
from tests.browser.screenshots import Screenshots, replace_in_responses
from tests.browser.test_in_the_ui import CONN_ID, TASK_ID, see
from tests.browser.test_in_the_ui import DAG_ID as DEMO
from tests.support.airflow_instance import AirflowInstance
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator

DAG_ID = "task_page"
pytestmark = pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow below 3.1 has no pages beside a task instance")


@pytest.fixture(scope="module")
def airflow(dags: Path, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    """Airflow below a path, with a guest and a connection."""
    env = {
        "AIRFLOW__CORE__AUTH_MANAGER": "guests.GuestsAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,guest:viewer",
    }
    home = tmp_path_factory.mktemp("airflow")
    with AirflowInstance(home, dags_folder=dags, env=env, path="/airflow", progress=print) as instance:
        instance.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
        yield instance


@pytest.fixture(scope="module")
def dag_run(airflow: AirflowInstance) -> str:
    """The second of two DAG runs that have ended."""
    airflow.api.wait_for_dag(DAG_ID)
    runs = [airflow.api.trigger_dag(DAG_ID) for _ in range(2)]
    assert [airflow.api.wait_for_run(DAG_ID, run_id) for run_id in runs] == ["failed", "failed"]
    return runs[-1]


def open_page(ui: Ui, dag_id: str, run_id: str, task_id: str, mapped: str = "") -> FrameLocator:
    """Open the tab of a task instance, and return what it shows."""
    ui.page.goto(f"dags/{dag_id}/runs/{quote(run_id)}/tasks/{task_id}{mapped}")
    ui.page.get_by_role("link", name="Wherobots", exact=True).click()
    return ui.page.frame_locator("iframe[title=Wherobots]")


def test_a_run_that_completed(ui: Ui, airflow: AirflowInstance, dag_run: str) -> None:
    asked: set[str] = set()
    ui.page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    # The service refuses such a name, but whoever can write an XCom can have it.
    hostile = "<script>document.body.id = 'taken'</script><img src=x onerror=document.body.id='taken'>"
    replace_in_responses(ui.page, "/xcomEntries/runs", "heights_of_peaks", hostile)
    page = open_page(ui, DAG_ID, dag_run, "works")
    see(page.get_by_text("Attempt 1 · success"))
    see(page.get_by_role("img", name=re.compile(r"running .* s, reading the log ")))
    summary = airflow.api.xcom(DAG_ID, dag_run, "works", "run_summary")
    assert summary is not None
    # Neither the run's name nor its result is read as HTML.
    see(page.get_by_text(summary["name"].replace("heights_of_peaks", hostile), exact=True))
    see(page.get_by_text('"peak": "<b>Matterhorn</b>"'))
    see(page.get_by_text('"cell": 622203769691602943,'))
    assert page.locator("b, img:not([role]), #taken").count() == 0
    ui.page.unroute_all(behavior="wait")
    see(page.get_by_role("heading", name="The last 2 DAG runs of this task"))
    page.get_by_text("The numbers in a table").click()
    see(page.get_by_role("cell", name=dag_run))
    assert asked == {urlsplit(airflow.url).netloc}

    with ui.page.context.expect_page() as opened:
        page.get_by_role("link", name=summary["run_id"]).click()
    assert opened.value.url.endswith(f"/runs/{summary['run_id']}")


def test_a_dag_run_that_is_older_than_those_in_the_chart_has_no_frame(ui: Ui, dag_run: str) -> None:
    replace_in_responses(ui.page, r"/dagRuns/~/", dag_run, "another")
    page = open_page(ui, DAG_ID, dag_run, "works")
    see(page.get_by_text("0 failed (red, ✕).", exact=True))
    ui.page.unroute_all(behavior="wait")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_task_that_failed_twice(ui: Ui, dag_run: str, screenshots: Screenshots, theme: str) -> None:
    ui.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page = open_page(ui, DAG_ID, dag_run, "fails")
    see(page.get_by_text("Attempt 2 · failed"))
    see(page.get_by_text("Attempt 1 · failed"))
    assert page.get_by_text("Probable cause: ").count() == 2
    see(page.get_by_text("2 failed (red, ✕)"))
    scheme = page.locator("html").evaluate("e => getComputedStyle(e).colorScheme")
    assert scheme == theme
    screenshots.take(ui.page, f"task-page-{theme}", height=1240)


def test_a_mapped_task(ui: Ui, airflow: AirflowInstance, dag_run: str) -> None:
    run_id = airflow.api.xcom(DAG_ID, dag_run, "mapped", "run_id", map_index=1)
    page = open_page(ui, DAG_ID, dag_run, "mapped", "/mapped/1")
    see(page.get_by_role("link", name=str(run_id), exact=True))


def test_a_task_of_another_provider(ui: Ui, dag_run: str) -> None:
    see(open_page(ui, DAG_ID, dag_run, "foreign").get_by_text("not a task of the Wherobots provider"))


def test_a_user_who_may_not_read_xcoms(ui: Ui, airflow: AirflowInstance, dag_run: str) -> None:
    ui.page.context.clear_cookies()
    ui.log_in("guest", json.loads((airflow.home / "passwords.json").read_text())["guest"])
    page = open_page(ui, DAG_ID, dag_run, "works")
    see(page.get_by_text("You may not read XComs in this Airflow"))
    see(page.get_by_text("Attempt 1 · success"))
    see(page.get_by_role("heading", name="The last 2 DAG runs of this task"))


def test_a_deferred_task_shows_what_is_known_and_its_end(ui: Ui, airflow: AirflowInstance, service: Service) -> None:
    assert isinstance(ui, AirflowUi3)
    service.hold_jobs()
    airflow.api.wait_for_dag(DEMO)
    dag_run = airflow.api.trigger_dag(DEMO)
    wait_for(lambda: airflow.api.xcom(DEMO, dag_run, TASK_ID, "run_id"), what="the task to have a run")
    page = open_page(ui, DEMO, dag_run, TASK_ID)
    see(page.get_by_text(re.compile(r"(running|deferred)\. As of .*, refreshed every 10 s")))
    see(page.get_by_role("img", name=re.compile("^so far ")))
    service.let_jobs_begin()
    service.let_jobs_end()
    see(page.get_by_text("Attempt 1 · success"))
    see(page.get_by_role("img", name=re.compile("reading the log ")))
