"""Pictures of what the browser tests see; those in the documentation are made here too."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

WRITE_VARIABLE = "WRITE_SCREENSHOTS"
"""Set to 1, this environment variable renews the pictures in the documentation."""


class Screenshots:
    """Takes pictures of pages into one folder.

    :param folder: where the PNG files go; made when it is not there.
    :param line: the Airflow line, the end of each file's name. Default: none, for a page that is not Airflow's.
    """

    def __init__(self, folder: Path, line: str | None = None) -> None:
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
        name = what if self._line is None else f"{what}-{self._line}"
        path = self._folder / f"{name}.png"
        page.screenshot(path=path, animations="disabled", caret="hide")
        if window:
            page.set_viewport_size(window)
        _make_smaller(path)


def _make_smaller(picture: Path) -> None:
    """Reduce a picture to 256 colours, a third of its size, where there is a program for it."""
    program = shutil.which("pngquant")
    if program is not None:
        subprocess.run([program, "--force", "--ext", ".png", "256", str(picture)], check=True)
