"""A workaround for Airflow 3.0 and 3.1.0 only (#56704). Delete this file, and its uses, with support for them.

On these versions a retry receives the event that the previous try waited for, and resumes with it instead of starting
over. So the number of the try that deferred last is kept in an XCom. A retry that finds another try's number there
starts over, as on other versions: without the previous try's XComs, and with its own start time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_wherobots.compat import RETRY_RESUMES_DEFERRAL
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.xcoms import DEFERRED_TRY_KEY, RESULT_KEY, RUN_ID_KEY, RUN_SUMMARY_KEY


def remember_deferral(push: Callable[[str, Any], None], try_number: int) -> None:
    """Store the number of the try that defers."""
    if RETRY_RESUMES_DEFERRAL:
        push(DEFERRED_TRY_KEY, try_number)


def is_resumed_retry(pull: Callable[[str], Any], try_number: int) -> bool:
    """Whether a retry is resumed although it should start over, because an earlier try deferred."""
    return RETRY_RESUMES_DEFERRAL and pull(DEFERRED_TRY_KEY) not in (None, try_number)


def forget_earlier_try(push: Callable[[str, Any], None], keys: Iterable[str] | None = None) -> None:
    """Clear the XComs of the previous try. Without ``keys``: those of a run."""
    links = (*WherobotsRunLink().address_keys, *WherobotsSparkUiLink().address_keys)
    for key in (RUN_ID_KEY, RUN_SUMMARY_KEY, RESULT_KEY, *links) if keys is None else keys:
        # 3.0 accepts no None, and cannot delete the XComs of a mapped task.
        push(key, "")
