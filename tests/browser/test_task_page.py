"""The page ``Wherobots`` beside a task instance, in a real browser and a real Airflow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

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


@pytest.fixture(autouse=True)
def has_the_page(airflow: AirflowInstance, service: Service) -> None:
    """Skip below Airflow 3.1, which has no such pages. Otherwise the connection is set."""
    if not airflow.is_from("3.1"):
        pytest.skip("Airflow below 3.1 has no pages beside a task instance")
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)


@pytest.fixture(scope="module")
def dag_run(airflow: AirflowInstance, service: Service) -> str:
    """A DAG run that has ended."""
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(DAG_ID)
    run_id = airflow.api.trigger_dag(DAG_ID)
    assert airflow.api.wait_for_run(DAG_ID, run_id) == "failed"
    return run_id


def open_page(ui: Ui, dag_id: str, run_id: str, task_id: str, mapped: str = "") -> FrameLocator:
    """Open the tab of a task instance, and return what it shows."""
    ui.page.goto(f"/dags/{dag_id}/runs/{quote(run_id)}/tasks/{task_id}{mapped}")
    ui.page.get_by_role("link", name="Wherobots", exact=True).click()
    return ui.page.frame_locator("iframe[title=Wherobots]")


def test_a_run_that_completed(ui: Ui, airflow: AirflowInstance, dag_run: str, screenshots: Screenshots) -> None:
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
    assert page.locator("b, img:not([role]), #taken").count() == 0
    ui.page.unroute_all(behavior="wait")
    see(page.get_by_role("heading", name="The last DAG run of this task"))
    page.get_by_text("The numbers in a table").click()
    see(page.get_by_role("cell", name=dag_run))
    assert asked == {urlsplit(airflow.url).netloc}
    screenshots.take(ui.page, "task-page-completed")

    with ui.page.context.expect_page() as opened:
        page.get_by_role("link", name=summary["run_id"]).click()
    assert opened.value.url.endswith(f"/runs/{summary['run_id']}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_task_that_failed_twice(ui: Ui, dag_run: str, screenshots: Screenshots, theme: str) -> None:
    ui.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page = open_page(ui, DAG_ID, dag_run, "fails")
    see(page.get_by_text("Attempt 2 · failed"))
    see(page.get_by_text("Attempt 1 · failed"))
    assert page.get_by_text("Probable cause: ").count() == 2
    see(page.get_by_text("1 failed (red, ✕)"))
    scheme = page.locator("html").evaluate("e => getComputedStyle(e).colorScheme")
    assert scheme == theme
    screenshots.take(ui.page, f"task-page-{theme}", height=1000)


def test_a_mapped_task(ui: Ui, airflow: AirflowInstance, dag_run: str) -> None:
    run_id = airflow.api.xcom(DAG_ID, dag_run, "mapped", "run_id", map_index=1)
    page = open_page(ui, DAG_ID, dag_run, "mapped", "/mapped/1")
    see(page.get_by_role("link", name=str(run_id), exact=True))


def test_a_task_of_another_provider(ui: Ui, dag_run: str) -> None:
    see(open_page(ui, DAG_ID, dag_run, "foreign").get_by_text("not a task of the Wherobots provider"))


def test_a_user_who_may_not_read_xcoms(ui: Ui, dag_run: str) -> None:
    # The simple auth manager has no such user.
    ui.page.route(re.compile("/xcomEntries"), lambda route: route.fulfill(status=403, json={"detail": "Forbidden"}))
    page = open_page(ui, DAG_ID, dag_run, "works")
    see(page.get_by_text("You may not read XComs in this Airflow"))
    see(page.get_by_text("Attempt 1 · success"))
    ui.page.unroute_all(behavior="wait")


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
