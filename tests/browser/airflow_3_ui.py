"""The UI of Airflow 3.3."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from tests.browser.ui import AirflowUi

if TYPE_CHECKING:
    from playwright.sync_api import Locator


class AirflowUi3(AirflowUi):
    """Airflow 3.3: one page that loads the others."""

    form_height = 1050
    """The height in pixels of a window that shows the whole connection form."""

    def log_in(self, username: str, password: str) -> None:
        """Log in through the login page."""
        self.page.goto("./")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Welcome").wait_for()

    def begin_connection(self, conn_id: str, conn_type: str) -> Locator:
        """Open the form of a new connection, choose its type, and return the form."""
        self.page.goto("/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        form = self._dialog("Add Connection")
        form.get_by_label("Connection ID").fill(conn_id)
        form.get_by_label("Connection Type").fill(conn_type)
        form.get_by_role("option", name=conn_type, exact=True).click()
        return form

    def show_extra_fields(self) -> None:
        """Show the fields of the open connection form that only its type has."""
        self.page.get_by_role("dialog").get_by_role("button", name="Extra Fields", exact=True).click()

    def extra_field(self, label: str) -> Locator:
        """Return the input of one of these fields."""
        # This form does not tie its labels to the inputs.
        group = self.page.get_by_role("dialog").get_by_role("group")
        return group.filter(has=self.page.get_by_text(label, exact=True)).locator("input")

    def save_connection(self) -> None:
        """Save the open connection form, and see that it is saved."""
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="hidden")

    def try_key(self, conn_id: str, api_key: str) -> Locator:
        """Give a stored connection a key, press its Test button, and return what tells the outcome."""
        self.page.goto("/connections")
        row = self.page.get_by_role("row").filter(has_text=conn_id)
        row.get_by_role("button", name="Edit Connection").click()
        self._dialog("Edit Connection").get_by_label("API key").fill(api_key)
        self.save_connection()
        row.get_by_role("button", name="Test Connection").click()
        return self.page.get_by_role("status").filter(has_text="Test Connection")

    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG by hand, with the form's defaults, and see its page."""
        self.page.goto(f"/dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger Dag").click()
        dialog = self._dialog("Trigger Dag")
        dialog.get_by_text("Run Parameters").wait_for()
        dialog.get_by_role("button", name="Trigger", exact=True).click()
        self.page.wait_for_url(re.compile(rf"/dags/{dag_id}/runs/manual__"))

    def open_task(self, task_id: str) -> None:
        """From a run's page, open a task instance."""
        self.page.get_by_role("table").get_by_role("link", name=task_id, exact=True).click()
        self.page.get_by_role("heading", name=task_id, exact=True).wait_for()

    def show_graph(self) -> None:
        """Show the DAG's graph on the left, in a third of the window."""
        self.page.get_by_role("button", name=re.compile("^Show Graph")).click()
        edge = self.page.locator("[data-panel-resize-handle-id]").bounding_box()
        assert edge is not None
        self.page.mouse.move(edge["x"] + edge["width"] / 2, edge["y"] + 100)
        self.page.mouse.down()
        self.page.mouse.move(450, edge["y"] + 100, steps=5)
        self.page.mouse.up()
        self.page.get_by_role("button", name="Fit View").click()

    def graph_node(self, task_id: str) -> Locator:
        """A task in the graph."""
        return self.page.get_by_test_id(f"rf__node-{task_id}")

    def state(self, state: str) -> Locator:
        """The open task instance's state, where it is shown."""
        return self.page.get_by_test_id("header-card").get_by_text(state.title(), exact=True)

    def catch_up(self) -> None:
        """Do nothing: the page shows the present by itself."""

    def extra_link(self, name: str) -> Locator:
        """Show the open task instance's details, and return one of its extra links."""
        self._tab("Details")
        return self.page.get_by_role("link", name=name, exact=True)

    def log(self) -> Locator:
        """Show the open task instance's log, and return it."""
        self._tab("Logs")
        return self.page.get_by_test_id("virtualized-list")

    def wrap_lines(self) -> None:
        """Wrap the lines of the log that is shown."""
        self.page.keyboard.press("w")

    def unfold_groups(self) -> None:
        """Unfold the groups of the log that is shown."""
        self.page.keyboard.press("e")

    def line(self, moment: datetime, level: str, text: str) -> str:
        """Return how this log shows a line of a run."""
        return f"[{moment:%Y-%m-%d %H:%M:%S}] {level} - {text}"

    def level_colours(self, text: str) -> str:
        """Return the colours in which the log shows the level of the line with this text."""
        line = self.page.get_by_test_id(re.compile("virtualized-item-")).filter(has_text=text)
        return self.colours(line.locator("code").first)

    def _tab(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def _dialog(self, title: str) -> Locator:
        return self.page.get_by_role("dialog").filter(has_text=title)
