"""Pictures of what the browser tests see; those in the documentation are made here too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

WRITE_VARIABLE = "WRITE_SCREENSHOTS"
"""Set to 1, this environment variable renews the pictures in the documentation."""


class Screenshots:
    """Takes pictures of pages into one folder.

    :param folder: where the PNG files go; made when it is not there.
    :param line: the Airflow line, the end of each file's name.
    """

    def __init__(self, folder: Path, line: str) -> None:
        self._folder = folder
        self._line = line
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, page: Page, what: str, *, height: int | None = None) -> None:
        """Take a picture of what the window shows.

        :param page: the page.
        :param what: the beginning of the file's name.
        :param height: height in pixels that the window has meanwhile. Default: its own.
        """
        window = page.viewport_size
        if window and height:
            page.set_viewport_size({"width": window["width"], "height": height})
        page.screenshot(path=self._folder / f"{what}-{self._line}.png", animations="disabled", caret="hide")
        if window:
            page.set_viewport_size(window)
