"""The plugin of the page beside a task instance: what Airflow gets from it, and what it serves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots import task_page
from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.get_provider_info import get_provider_info
from airflow_provider_wherobots.task_page import WherobotsTaskPage

since_3_1 = pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow has no such pages below 3.1")


@since_3_1
def test_airflow_gets_a_tab_and_the_file_that_it_shows() -> None:
    (view,) = WherobotsTaskPage().external_views
    (app,) = WherobotsTaskPage().fastapi_apps
    assert view["destination"] == "task_instance"
    address, _, ids = view["href"].partition("?")
    assert f"/{address}" == f"{app['url_prefix']}/page.html"
    assert ids == "dag={DAG_ID}&run={RUN_ID}&task={TASK_ID}&index={MAP_INDEX}"
    assert (
        served(app["app"], "/page.html")
        == Path(task_page.__file__).with_name("static").joinpath("page.html").read_text()
    )


@pytest.mark.parametrize("version", [(2, 11), (3, 0)])
def test_below_3_1_nothing_is_registered(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> None:
    monkeypatch.setattr(task_page, "AIRFLOW", version)
    assert (WherobotsTaskPage().external_views, WherobotsTaskPage().fastapi_apps) == ([], [])


def test_a_setting_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__TASK_PAGE", "False")
    assert (WherobotsTaskPage().external_views, WherobotsTaskPage().fastapi_apps) == ([], [])


def test_airflow_finds_it_by_its_entry_point_and_only_once() -> None:
    (entry,) = [one for one in metadata.entry_points(group="airflow.plugins") if "wherobots" in one.value]
    assert entry.load() is WherobotsTaskPage
    assert entry.name == WherobotsTaskPage.name
    # With `lazy_discover_providers=False` Airflow would load it a second time, and show that as a plugin import error.
    assert "plugins" not in get_provider_info()


def test_a_process_that_serves_no_page_does_not_load_what_serves_it() -> None:
    # In a process of its own: each task process of Airflow loads the plugins.
    code = (
        "import sys; from airflow_provider_wherobots.task_page import WherobotsTaskPage as page;"
        " page().external_views; sys.exit('starlette.staticfiles' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def served(app: Any, path: str) -> str:
    """The body of an ASGI app's response."""
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        # The client stays. Starlette 1.10 asks until it has left.
        return await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 200
    return b"".join(message.get("body", b"") for message in sent).decode()
