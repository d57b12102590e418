"""The UI of Airflow 2.11."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from tests.browser.ui import AirflowUi

if TYPE_CHECKING:
    from playwright.sync_api import Locator


class AirflowUi2(AirflowUi):
    """Airflow 2.11: forms of pages of their own, and the grid view."""

    form_height = 1550
    """The height in pixels of a window that shows the whole connection form."""

    def log_in(self, username: str, password: str) -> None:
        """Log in through the login page."""
        self.page.goto("./")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign In").click()
        self.page.get_by_role("heading", name="DAGs").wait_for()

    def begin_connection(self, conn_id: str, conn_type: str) -> Locator:
        """Open the form of a new connection, choose its type, and return the form."""
        self.page.goto("/connection/list/")
        self.page.get_by_role("link", name=re.compile("^Add")).click()
        form = self.page.locator("form")
        form.get_by_label("Connection Id").fill(conn_id)
        form.locator("#select2-conn_type-container").click()
        self.page.get_by_role("option", name=conn_type, exact=True).click()
        return form

    def show_extra_fields(self) -> None:
        """They are shown among the others."""

    def extra_field(self, label: str) -> Locator:
        """Return the input of one of these fields."""
        return self.page.get_by_label(label, exact=True)

    def save_connection(self) -> None:
        """Save the open connection form, and see that it is saved."""
        self.page.get_by_role("button", name="Save").click()
        self.page.get_by_role("heading", name="List Connection").wait_for()

    def try_key(self, conn_id: str, api_key: str) -> Locator:
        """Give a stored connection a key, press its Test button, and return what tells the outcome."""
        self.page.goto("/connection/list/")
        row = self.page.get_by_role("row").filter(has_text=conn_id)
        row.get_by_role("link", name="Edit").click()
        self.page.get_by_label("API key").fill(api_key)
        self.page.get_by_role("button", name="Test").click()
        # The answer appears at the top of the page, the button is at the bottom.
        self.page.evaluate("scrollTo(0, 0)")
        return self.page.locator(".alert")

    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG by hand, with the form's defaults, and see its page."""
        self.page.goto(f"/dags/{dag_id}/grid")
        self.page.get_by_role("link", name="Trigger DAG").click()
        self.page.get_by_role("button", name="Trigger", exact=True).click()
        self.page.wait_for_url(re.compile(rf"/dags/{dag_id}/grid\?dag_run_id=manual__"))

    def open_task(self, task_id: str) -> None:
        """From a run's page, open a task instance."""
        row = self.page.locator("tr").filter(has_text=task_id)
        row.get_by_test_id("task-instance").last.click()
        # The pointer leaves, so that no bubble covers the page.
        self.page.get_by_role("tab", name="Details").hover()
        self.page.get_by_role("heading", name=task_id, exact=True).wait_for()

    def state(self, state: str) -> Locator:
        """The open task instance's state, where it is shown."""
        self._tab("Details")
        return self.page.get_by_role("row", name=f"Status {state}", exact=True)

    def catch_up(self) -> None:
        """Load the page anew: it no longer asks for the task's state once it has seen that the DAG run has ended."""
        self.page.reload()

    def extra_link(self, name: str) -> Locator:
        """Show the open task instance's details, and return one of its extra links."""
        # The page asks for a task instance's links only once, which may have been before there was a run.
        self.page.reload()
        self._tab("Details")
        return self.page.get_by_role("link", name=name, exact=True)

    def log(self) -> Locator:
        """Show the open task instance's log, and return it."""
        self._tab("Logs")
        return self.page.get_by_role("tabpanel", name="Logs").locator("code")

    def line(self, moment: datetime, level: str, text: str) -> str:
        """Return how this log shows a line of a run."""
        return f"[{moment:%Y-%m-%d, %H:%M:%S} UTC] {{wherobots:0}} {level} - {text}"

    def level_colours(self, text: str) -> str:
        """Return the colours in which the log shows the level of the line with this text."""
        return self.colours(self.page.get_by_role("tabpanel", name="Logs").get_by_text(text))

    def _tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
