"""Where links find the addresses they open: in the task instance's XComs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.api.endpoint import is_web_address
from airflow_provider_wherobots.compat import pull_xcom

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_wherobots.compat import BaseOperatorLink


def xcom_keys(link: BaseOperatorLink, key: str) -> tuple[str, ...]:
    """The XCom keys under which a link's address is to be stored, to be there before the task ends.

    :param link: the link.
    :param key: our own key, which the link reads.
    :returns: that, and on Airflow 3 the link's own, which Airflow itself fills only when the task ends.
    """
    own = getattr(link, "xcom_key", None)
    return (key,) if own is None else (key, own)


def stored_address(ti_key: Any, key: str) -> str:
    """Read an address out of the task instance's XComs.

    :param ti_key: key of the task instance.
    :param key: XCom key.
    :returns: the address; "" while there is none, and for anything that must not become a link.
    """
    value = pull_xcom(ti_key, key)
    return value if isinstance(value, str) and is_web_address(value) else ""
