"""The link from a task instance to its run's page in the web console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.compat import BaseOperatorLink
from airflow_provider_wherobots.links.stored import stored_address

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_wherobots.compat import BaseOperator

RUN_URL_KEY = "run_url"
"""XCom key of the run's address, pushed right after the run was created."""


class WherobotsRunLink(BaseOperatorLink):
    """Opens the run in the Wherobots console. There from the moment the run exists, also while the task is deferred."""

    name = "Wherobots run"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The run's address.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address, or "" while there is no run.
        """
        return stored_address(ti_key, RUN_URL_KEY)
