"""The link from a task instance to the Spark UI of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.compat import BaseOperatorLink
from airflow_provider_wherobots.flows.summary import SPARK_UI_URL_KEY
from airflow_provider_wherobots.links.stored import stored_address

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_wherobots.compat import BaseOperator


class WherobotsSparkUiLink(BaseOperatorLink):
    """Opens the Spark UI of the run. There as soon as its address is known, while the task is deferred too."""

    name = "Spark UI"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The Spark UI's address.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address, or "" while there is none.
        """
        return stored_address(ti_key, SPARK_UI_URL_KEY)
