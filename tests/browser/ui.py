"""What a user does in Airflow's UI and sees there, as far as it is the same for each version."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


class AirflowUi(abc.ABC):
    """One user in front of Airflow's UI.

    :param page: a page of a browser; addresses are relative to where Airflow listens.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

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
    def log(self) -> Locator:
        """Show the open task instance's log, and return it."""

    def colours(self, element: Locator) -> str:
        """Return the colours of an element's text and of what lies under it."""
        script = "e => { const s = getComputedStyle(e); return `${s.color} ${s.backgroundColor}`.trim(); }"
        # There are none for a moment where the page draws the element anew.
        return wait_for(lambda: str(element.evaluate(script)), timeout=20, what="an element that is on the page")
