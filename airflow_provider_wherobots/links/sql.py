"""The link from a task instance to its SQL session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import BaseOperatorLink
from airflow_provider_wherobots.links.run import stored_address
from airflow_provider_wherobots.xcoms import SQL_SESSION_URL_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import BaseOperator


class WherobotsSqlSessionLink(BaseOperatorLink):
    """Opens the console's page that lists SQL sessions. Available as soon as the task has a session."""

    name = "Wherobots SQL session"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The page's address.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address, or "" while there is no session.
        """
        return stored_address(ti_key, SQL_SESSION_URL_KEY)
