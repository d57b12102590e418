"""The plugin that adds the page to Airflow's UI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.config import TASK_PAGE, configured
from airflow_provider_wherobots.get_provider_info import INTEGRATION

PREFIX = "wherobots"
"""Where the API server serves the page."""


class WherobotsTaskPage(AirflowPlugin):
    """A page of each task instance. The API server only serves the file: its script asks Airflow's REST API for the
    attempts and XComs, with the session of the user who looks at it.
    """

    name = "wherobots_task_page"

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The file. Only the API server asks for it, so only there is what serves files imported."""
        if not _is_shown():
            return []
        from starlette.staticfiles import StaticFiles

        files = StaticFiles(directory=Path(__file__).with_name("static"))
        return [{"name": INTEGRATION, "app": files, "url_prefix": f"/{PREFIX}"}]

    @property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """The tab. Its address is relative to where Airflow is, which may be below a path."""
        if not _is_shown():
            return []
        ids = "dag={DAG_ID}&run={RUN_ID}&task={TASK_ID}&index={MAP_INDEX}"
        return [
            {
                "name": INTEGRATION,
                "href": f"{PREFIX}/page.html?{ids}",
                "destination": "task_instance",
                "url_route": PREFIX,
            }
        ]


def _is_shown() -> bool:
    return AIRFLOW >= (3, 1) and bool(configured(TASK_PAGE))
