"""Links from a task instance to its run. They open addresses stored in its XComs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.api.endpoint import is_web_address
from airflow_provider_wherobots.compat import BaseOperatorLink, pull_xcom
from airflow_provider_wherobots.xcoms import RUN_URL_KEY, SPARK_UI_URL_KEY

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_wherobots.compat import BaseOperator


class WherobotsRunLink(BaseOperatorLink):
    """Opens the run in the Wherobots console. Available as soon as the run exists, even while the task is deferred."""

    name = "Wherobots run"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The run's address.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address, or "" while there is no run.
        """
        return stored_address(ti_key, RUN_URL_KEY)


class WherobotsSparkUiLink(BaseOperatorLink):
    """Opens the Spark UI of the run. Available as soon as its address is known, even while the task is deferred."""

    name = "Spark UI"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The Spark UI's address.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address, or "" while there is none.
        """
        return stored_address(ti_key, SPARK_UI_URL_KEY)


def xcom_keys(link: BaseOperatorLink, key: str) -> tuple[str, ...]:
    """The XCom keys to store a link's address under, so that the link works before the task ends.

    On Airflow 3 the second is the link's own key, which Airflow itself sets only when the task ends.
    """
    own = getattr(link, "xcom_key", None)
    return (key,) if own is None else (key, own)


def stored_address(ti_key: Any, key: str) -> str:
    """Read an address from the task instance's XComs.

    It is "" while there is none, and for anything that must not become a link.
    """
    value = pull_xcom(ti_key, key)
    return value if isinstance(value, str) and is_web_address(value) else ""
