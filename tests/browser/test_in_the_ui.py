"""What a user does with the provider in Airflow's UI, in a real browser: connect, test, run, watch."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.browser.airflow_3_ui import AirflowUi3
from tests.browser.conftest import Service, Ui
from tests.browser.screenshots import Screenshots
from tests.support.airflow_instance import AirflowInstance
from tests.support.waiting import wait_for
from wherobots_local import ControlClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, ViewportSize

CONN_ID = "wherobots_default"
DAG_ID = "example_wherobots_demo"
TASK_ID = "airport_neighbours"
SQL_TASK_ID = "busiest_airports"
MAPPED_DAG_ID = "example_wherobots_mapped"
SPARK_DAG_ID = "example_wherobots_spark"
SPARK_TASK_ID = "rain_by_region"
SPARK_UI = "https://spark.example.com/app-1"
LARGE_WINDOW: ViewportSize = {"width": 1440, "height": 940}
"""Shows all lines of a log; Airflow 3 makes only those that it shows."""
COLOUR = re.compile(r"\x1b\[\d*m")

LEVELS = {
    "Running Spark version 4.0.1": "INFO",
    "Unable to load native-hadoop library for your platform": "WARNING",
    "8,052 airports loaded": "INFO",
    "3 airports have no elevation; they are taken to lie at sea level": "WARNING",
    "The code XYZ is in no list; it is left out": "ERROR",
    "Traceback (most recent call last):": "ERROR",
    "KeyError: 'XYZ'": "ERROR",
    "8,051 airports with their neighbours": "INFO",
}
"""What the job says, and the level that it has."""


def see(element: Locator) -> Locator:
    """Wait until there is such an element and it can be seen."""
    element.wait_for()
    return element


def shown_folder(service: Service) -> dict[str, str]:
    """What a picture shows in place of the server's temporary folder."""
    return {str(service.root): "/home/me/data"}


def test_the_form_makes_a_connection(ui: Ui, airflow: AirflowInstance, screenshots: Screenshots) -> None:
    if airflow.api.connection(CONN_ID) is not None:
        airflow.api.request("DELETE", f"connections/{CONN_ID}")
    form = ui.begin_connection(CONN_ID, "Wherobots")

    see(form.get_by_label("API host")).fill("api.cloud.wherobots.com")
    form.get_by_label("API port").fill("443")
    key = form.get_by_label("API key")
    key.fill("a-key-that-nobody-sees")
    assert key.get_attribute("type") == "password"
    for unused in ("Login", "Schema", "Password"):
        assert not form.get_by_label(unused, exact=True).is_visible(), unused
    screenshots.take(ui.page, "connection-form", height=880)
    ui.show_extra_fields()
    for label, value in {"Region": "aws-us-west-2", "Runtime": "tiny", "Wherobots version": "latest"}.items():
        ui.extra_field(label).fill(value)
    screenshots.take(ui.page, "connection-form-extra", height=ui.form_height)
    ui.save_connection()

    see(ui.page.get_by_role("cell", name=CONN_ID, exact=True))
    assert not ui.page.get_by_text("a-key-that-nobody-sees").count()
    stored = airflow.api.connection(CONN_ID)
    assert stored is not None
    assert (stored["conn_type"], stored["host"], stored["port"]) == ("wherobots", "api.cloud.wherobots.com", 443)
    extra = {key: value for key, value in json.loads(stored["extra"]).items() if value}
    assert extra == {"region": "aws-us-west-2", "runtime": "tiny", "version": "latest"}


def test_the_test_button_tells_a_wrong_key_from_a_right_one(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots
) -> None:
    # Airflow 3.3.1 tests a connection without a port with another key than the stored one (apache/airflow #72318).
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.host, port=service.port, password="some-key")

    outcome = ui.try_key(CONN_ID, "wrong-key")
    see(outcome.filter(has_text="The API key is refused: 401 UNAUTHORIZED_ERROR"))
    screenshots.take(ui.page, "connection-test")

    outcome = ui.try_key(CONN_ID, service.server.api_key)
    see(outcome.filter(has_text="The Runs API accepts the API key"))


def test_the_demo_shows_its_tasks_their_logs_and_the_result(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots, real_jobs: None, tmp_path: Path
) -> None:
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(DAG_ID)
    ui.page.set_viewport_size(LARGE_WINDOW)

    ui.trigger(DAG_ID)
    page_of_the_run = ui.page.url
    ui.open_task(SQL_TASK_ID)
    ui.wait_for_end("success")
    ui.wait_for_line(": succeeded; 1 statement in ")
    screenshots.take(ui.page, "sql-log", height=740)

    ui.page.goto(page_of_the_run)
    ui.open_task(TASK_ID)
    ui.wait_for_line("Geneva Cointrin International Airport")
    if isinstance(ui, AirflowUi3):
        ui.show_graph()
        for task_id in (TASK_ID, SQL_TASK_ID):
            see(ui.graph_node(task_id).get_by_text("success"))
        ui.wrap_lines()
        screenshots.take(ui.page, "dag-run", height=1000)

        with ui.page.context.expect_page() as opened:
            see(ui.extra_link("Wherobots run")).click()
        page = opened.value
        page.get_by_label("API key").fill(service.server.api_key)
        page.get_by_role("button", name="Open").click()
        see(page.get_by_role("log").get_by_text("Geneva Cointrin International Airport"))
        # A page of the local server, the same for each Airflow.
        Screenshots(tmp_path).take(page, "local-status-run", height=760, instead=shown_folder(service))


def test_each_mapped_run_has_its_row(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots, real_jobs: None
) -> None:
    if not isinstance(ui, AirflowUi3):
        pytest.skip("the table of mapped tasks is of Airflow 3")
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(MAPPED_DAG_ID)
    run_id = airflow.api.trigger_dag(MAPPED_DAG_ID)
    assert airflow.api.wait_for_run(MAPPED_DAG_ID, run_id) == "success"
    ui.page.set_viewport_size(LARGE_WINDOW)

    ui.page.goto(f"/dags/{MAPPED_DAG_ID}/runs/{quote(run_id)}")
    link = ui.page.get_by_role("link", name=TASK_ID, exact=True)
    rows = ui.page.get_by_role("row").filter(has=link).filter(has_text="Success")
    see(rows.nth(2))
    assert rows.count() == 3
    screenshots.take(ui.page, "mapped")


def test_the_log_of_a_spark_job_has_levels(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots, real_jobs: None
) -> None:
    skip_without_java()
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(SPARK_DAG_ID)
    ui.page.set_viewport_size(LARGE_WINDOW)

    ui.trigger(SPARK_DAG_ID)
    ui.open_task(SPARK_TASK_ID)
    ui.wait_for_end("success")
    ui.wait_for_line("Lake Geneva")
    screenshots.take(ui.page, "task-log")


def test_a_run_started_by_hand_can_be_watched(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots
) -> None:
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(DAG_ID)
    service.hold_jobs()
    ui.page.set_viewport_size(LARGE_WINDOW)

    ui.trigger(DAG_ID)
    ui.open_task(TASK_ID)
    see(ui.state("deferred"))
    service.let_jobs_begin()
    run = service.newest_run()
    ControlClient(service.server.url, service.server.api_key).patch_run(run["id"], kubeApp={"spark_ui_url": SPARK_UI})

    ui.wait_for_line("8,051 airports with their neighbours")
    log = ui.log()
    see(log.get_by_role("link", name=SPARK_UI))
    shown = re.sub(r"\s+", " ", log.inner_text())
    times = times_of_lines(service, run["id"])
    for text, level in LEVELS.items():
        line, moment = times[text]
        assert shown.count(ui.line(moment, level, line)) == 1, f"{ui.line(moment, level, line)} in {shown}"
    assert_levels_stand_out(ui)
    joined = log.get_by_text("Joined", exact=True)
    assert ui.colours(joined) != ui.colours(joined.locator("..")), "the green of the job's output is lost"

    assert_links(ui, run["id"])
    see(ui.state("deferred"))
    screenshots.take(ui.page, "task-deferred", instead=shown_folder(service))

    service.let_jobs_end()
    ui.wait_for_end("success")
    see(ui.log().get_by_text("The result is written"))
    see(ui.log().get_by_text(re.compile(rf"Run {run['id']} COMPLETED: .*ran for")))
    assert_links(ui, run["id"])


@pytest.mark.timeout(600)
def test_the_link_to_the_spark_ui_opens_it(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots
) -> None:
    skip_without_java()
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag(SPARK_DAG_ID)
    service.hold_jobs()

    ui.trigger(SPARK_DAG_ID)
    ui.open_task(SPARK_TASK_ID)
    see(ui.state("deferred"))
    run_id = service.newest_run()["id"]
    wait_for(
        lambda: any("Lake Geneva" in line["raw"] for line in service.log(run_id)),
        timeout=300,
        what="the job to show its result",
    )
    with ui.page.context.expect_page() as opened:
        see(ui.extra_link("Spark UI")).click()
    page = opened.value
    see(page.get_by_text("rain_by_region application UI"))
    see(page.get_by_role("heading", name="Completed Jobs"))
    if airflow.is_airflow_3:
        screenshots.take(page, "spark-ui")
    page.close()

    service.let_jobs_end()
    ui.wait_for_end("success")
    assert service.newest_run()["kubeApp"]["appMeta"]["spark_ui_url"] == ""


def test_the_log_of_a_function_that_raises_shows_its_error(
    ui: Ui, airflow: AirflowInstance, service: Service, screenshots: Screenshots
) -> None:
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    airflow.api.wait_for_dag("places")
    ui.page.set_viewport_size(LARGE_WINDOW)

    ui.trigger("places")
    ui.open_task("population")
    ui.wait_for_end("failed")
    ui.wait_for_line("WherobotsRunFailedException: Run ")
    if isinstance(ui, AirflowUi3):
        ui.unfold_groups()
        ui.wrap_lines()
    # A click folds the worker's own stack. A real click would also scroll to the side.
    ui.wait_for_line("WherobotsRunFailedException: Run ").dispatch_event("click")
    assert ui.log().inner_text().count("return places[name]") >= 2, "in the log of the run, and in the exception"
    folders = {
        **shown_folder(service),
        str(airflow.home): "/home/me/airflow",
        str(airflow.dags_folder): "/home/me/airflow/dags",
    }
    screenshots.take(ui.page, "function-raises", height=1060, instead=folders)

    mail = airflow.dags_folder / "mail.html"
    ui.page.set_content(wait_for(lambda: mail.read_text() if mail.exists() else "", what="the alert"))
    see(ui.page.get_by_text("KeyError: 'Atlantis'"))
    ui.page.set_viewport_size({"width": 1220, "height": 190})
    screenshots.take(ui.page, "alert", instead=folders)


def test_the_doctor_shows_a_table(
    airflow: AirflowInstance, service: Service, chromium: Browser, tmp_path: Path
) -> None:
    airflow.api.set_connection(CONN_ID, "wherobots", host=service.server.url, password=service.server.api_key)
    printed = airflow.run_python("-m", "airflow_provider_wherobots", "doctor")
    page = chromium.new_page(viewport={"width": 1590, "height": 225})
    page.set_content(f"<pre>{html.escape(printed)}</pre>")
    see(page.get_by_text("Nothing failed."))
    Screenshots(tmp_path).take(page, "doctor")


def skip_without_java() -> None:
    """Spark needs it."""
    if shutil.which("java") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no java on PATH: install a Java runtime")


def assert_links(ui: Ui, run_id: str) -> None:
    """Both links open what they should."""
    for name, end in {"Wherobots run": f"/runs/{run_id}", "Spark UI": SPARK_UI}.items():
        see(ui.extra_link(name).and_(ui.page.locator(f"[href$='{end}']")))


def times_of_lines(service: Service, run_id: str) -> dict[str, tuple[str, datetime]]:
    """Whole line and time of each text in LEVELS, as the service has them."""

    def look() -> dict[str, tuple[str, datetime]] | None:
        found = {
            text: (COLOUR.sub("", line["raw"]), datetime.fromtimestamp(int(line["timestamp"]) // 10**9, UTC))
            for line in service.log(run_id)
            for text in LEVELS
            if text in line["raw"]
        }
        return found if len(found) == len(LEVELS) else None

    return wait_for(look, what="the job to have said its lines")


def assert_levels_stand_out(ui: Ui) -> None:
    """Lines of one level look the same, lines of different levels do not."""
    seen: dict[str, set[str]] = {}
    for text, level in LEVELS.items():
        seen.setdefault(level, set()).add(ui.level_colours(text))
    assert all(len(colours) == 1 for colours in seen.values()), seen
    assert len(set.union(*seen.values())) == len(seen), seen
