"""Links from a task instance to its run, or to its SQL session. They open addresses stored in its XComs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_provider_wherobots.api.endpoint import is_web_address
from airflow_provider_wherobots.compat import BaseOperatorLink, pull_xcom
from airflow_provider_wherobots.stored import RUN_URL_KEY, SPARK_UI_URL_KEY, SQL_SESSION_URL_KEY

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_wherobots.compat import BaseOperator


class StoredAddressLink(BaseOperatorLink):
    """Opens an address that the task has pushed."""

    address_key: ClassVar[str]
    """The key of the XCom that has the address."""

    @property
    def address_keys(self) -> tuple[str, ...]:
        """The XCom keys to store the address under, so that the link works before the task ends.

        On Airflow 3 the second is the link's own key, which Airflow itself sets only when the task ends.
        """
        own = getattr(self, "xcom_key", None)
        return (self.address_key,) if own is None else (self.address_key, own)

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address that the link opens.

        :param operator: the task.
        :param ti_key: key of its task instance.
        :returns: the address; "" while there is none, and for a value that must not become a link.
        """
        value = pull_xcom(ti_key, self.address_key)
        return value if isinstance(value, str) and is_web_address(value) else ""


class WherobotsRunLink(StoredAddressLink):
    """Opens the run in the Wherobots console. Available as soon as the run exists, even while the task is deferred."""

    name = "Wherobots run"
    address_key = RUN_URL_KEY


class WherobotsSparkUiLink(StoredAddressLink):
    """Opens the Spark UI of the run. Available as soon as its address is known, even while the task is deferred."""

    name = "Spark UI"
    address_key = SPARK_UI_URL_KEY


class WherobotsSqlSessionLink(StoredAddressLink):
    """Opens the console's page that lists SQL sessions, because a session has no known page of its own. Available as
    soon as the task has a session.
    """

    name = "Wherobots SQL sessions"
    address_key = SQL_SESSION_URL_KEY
