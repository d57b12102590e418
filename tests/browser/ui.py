"""What a user does in Airflow's UI and sees there, the same for each version."""

from __future__ import annotations

import abc
from datetime import datetime
from typing import TYPE_CHECKING

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class AirflowUi(abc.ABC):
    """One user in front of Airflow's UI.

    :param page: a page of a browser; addresses are relative to where Airflow listens.
    """

    form_height: int
    """The height in pixels of a window that shows the whole connection form."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @abc.abstractmethod
    def log_in(self, username: str, password: str) -> None:
        """Log in through the login page."""

    @abc.abstractmethod
    def begin_connection(self, conn_id: str, conn_type: str) -> Locator:
        """Open the form of a new connection, choose its type, and return the form.

        :param conn_type: as the list of types names it.
        """

    @abc.abstractmethod
    def show_extra_fields(self) -> None:
        """Show the fields of the open connection form that only its type has."""

    @abc.abstractmethod
    def extra_field(self, label: str) -> Locator:
        """Return the input of one of these fields."""

    @abc.abstractmethod
    def save_connection(self) -> None:
        """Save the open connection form, and see that it is saved."""

    @abc.abstractmethod
    def try_key(self, conn_id: str, api_key: str) -> Locator:
        """Give a stored connection a key, press its Test button, and return what tells the outcome."""

    @abc.abstractmethod
    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG by hand, with the form's defaults, and see its page."""

    @abc.abstractmethod
    def open_task(self, task_id: str) -> None:
        """From a run's page, open a task instance."""

    @abc.abstractmethod
    def state(self, state: str) -> Locator:
        """The open task instance's state, where it is shown."""

    def wait_for_end(self, state: str) -> None:
        """Wait until the open task instance has ended in a state, up to five minutes.

        :param state: the state.
        """

        def look() -> bool:
            if self.state(state).is_visible():
                return True
            self.catch_up()
            return False

        wait_for(look, timeout=300, interval=3, what=f"the page to show the state {state}")

    def wait_for_line(self, text: str) -> Locator:
        """Wait until the open task instance's log shows a text, up to three minutes, and return it.

        The page does not always load the lines that are written when the task ends or is deferred.
        """
        from playwright.sync_api import TimeoutError as NotShownError

        def look() -> Locator | None:
            line = self.log().get_by_text(text).first
            try:
                line.wait_for(timeout=10_000)
            except NotShownError:
                self.page.reload()
                return None
            return line

        return wait_for(look, timeout=180, what=f"the log to show {text!r}")

    @abc.abstractmethod
    def catch_up(self) -> None:
        """Make the page show the present, if it does not do so by itself."""

    @abc.abstractmethod
    def extra_link(self, name: str) -> Locator:
        """Show the open task instance's details, and return one of its extra links."""

    @abc.abstractmethod
    def log(self) -> Locator:
        """Show the open task instance's log, and return it."""

    @abc.abstractmethod
    def line(self, moment: datetime, level: str, text: str) -> str:
        """Return how this log shows a line of a run.

        :param moment: the line's own time, in UTC.
        :param level: the level's name.
        """

    @abc.abstractmethod
    def level_colours(self, text: str) -> str:
        """Return the colours in which the log shows the level of the line with this text."""

    @abc.abstractmethod
    def rendered(self, field: str) -> Locator:
        """Show the open task instance's rendered templates, and return one of them."""

    def colours(self, element: Locator) -> str:
        """Return the colours of an element's text and of what lies under it."""
        script = "e => { const s = getComputedStyle(e); return `${s.color} ${s.backgroundColor}`.trim(); }"
        # There are none for a moment where the page draws the element anew.
        return wait_for(lambda: str(element.evaluate(script)), timeout=20, what="an element that is on the page")
