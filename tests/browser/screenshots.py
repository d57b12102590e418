"""Pictures of what the browser tests see. With ``WRITE_SCREENSHOTS=1`` the documentation gets them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.places import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

DOCS = (CHECKOUT / "docs", CHECKOUT / "local_server" / "docs")
REPLACE_TEXTS = """pairs => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
        for (const [old, shown] of pairs)
            texts.currentNode.data = texts.currentNode.data.replaceAll(old, shown);
}"""


class Screenshots:
    """Takes pictures of pages.

    :param folder: where the PNG files go that no page of the documentation shows.
    :param series: Airflow's release series, the end of each file's name. Default: none, for a page outside Airflow.
    """

    def __init__(self, folder: Path, series: str | None = None) -> None:
        self._folder = folder
        self._series = series
        wanted = os.environ.get("WRITE_SCREENSHOTS") == "1"
        self._pages = {path: path.read_text() for docs in DOCS for path in docs.glob("*.md")} if wanted else {}

    def take(
        self, page: Page, what: str, *, height: int | None = None, instead: Mapping[str, str] | None = None
    ) -> None:
        """Take a picture of what the window shows.

        :param what: the beginning of the file's name.
        :param height: height in pixels that the window has meanwhile. Default: its own.
        :param instead: texts that the picture does not show, and what it shows in their place. Default: none.
        """
        window = page.viewport_size
        if window and height:
            page.set_viewport_size({"width": window["width"], "height": height})
        name = f"{what}.png" if self._series is None else f"{what}-{self._series}.png"
        folders = [shown.parent / "images" for shown, text in self._pages.items() if f"images/{name}" in text]
        path = (folders or [self._folder])[0] / name
        if instead:
            page.evaluate(REPLACE_TEXTS, [list(pair) for pair in instead.items()])
        # After a key Chromium frames what has the focus.
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=path, animations="disabled", caret="hide")
        if window:
            page.set_viewport_size(window)
        _make_smaller(path)


def replace_in_responses(page: Page, addresses: str, old: str, new: str) -> None:
    """Let a page read another text in the responses of some addresses.

    Call ``page.unroute_all(behavior="wait")`` before closing the page, as a replacement may still be under way.
    """

    def fulfill(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(old, new))

    page.route(re.compile(addresses), fulfill)


def _make_smaller(picture: Path) -> None:
    """Reduce a picture to 256 colours, a third of its size, where there is a program for it."""
    program = shutil.which("pngquant")
    if program is not None:
        subprocess.run([program, "--force", "--ext", ".png", "256", str(picture)], check=True)
