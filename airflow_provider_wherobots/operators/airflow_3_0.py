"""What only Airflow 3.0 and 3.1.0 need (#56704): this file goes, with its uses, when they are no longer supported.

There a retry is handed the event that the try before it had waited for, and resumes with that instead of beginning.
The try that deferred last is kept in an XCom, so that a retry can tell, and begins as Airflow lets it begin elsewhere:
without the XComs of the try before, and with a start of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.compat import RETRY_RESUMES_DEFERRAL
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink, xcom_keys
from airflow_provider_wherobots.xcoms import (
    DEFERRED_TRY_KEY,
    RUN_ID_KEY,
    RUN_SUMMARY_KEY,
    RUN_URL_KEY,
    SPARK_UI_URL_KEY,
)


def remember_deferral(push: Callable[[str, Any], None], try_number: int) -> None:
    """Keep the number of the try that defers.

    :param push: pushes an XCom.
    :param try_number: the try's number.
    """
    if RETRY_RESUMES_DEFERRAL:
        push(DEFERRED_TRY_KEY, try_number)


def is_resumed_retry(pull: Callable[[str], Any], try_number: int) -> bool:
    """Whether a task resumes that should begin, as it was an earlier try that deferred.

    :param pull: pulls an XCom.
    :param try_number: the present try's number.
    """
    return RETRY_RESUMES_DEFERRAL and pull(DEFERRED_TRY_KEY) not in (None, try_number)


def forget_earlier_try(push: Callable[[str, Any], None]) -> None:
    """Empty the XComs of the try before.

    :param push: pushes an XCom.
    """
    links = (*xcom_keys(WherobotsRunLink(), RUN_URL_KEY), *xcom_keys(WherobotsSparkUiLink(), SPARK_UI_URL_KEY))
    for key in (RUN_ID_KEY, RUN_SUMMARY_KEY, *links):
        # 3.0 takes no None, and deletes no XCom of a mapped task.
        push(key, "")
