"""Which tries of a task have begun.

Airflow 3 may start a try twice, or with what belongs to another try:

* A worker resumes a deferred task while its DAG file is missing or broken. Airflow 3.1.7 and later then forget the
  deferral, and start the same try again (``[workers] missing_dag_retries``).
* A task is cleared while a worker resumes it. The next try resumes with the event of the try before. On 3.0 and 3.1.0
  every retry of a deferred task does so (#56704).
* A try after a clear ends before its process runs, such as in a pod that cannot start. The try after it still gets the
  XCom keys of the try before the clear.

So each try pushes its number in the key of an XCom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_wherobots.compat import AIRFLOW, xcom_keys_of_earlier_try
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.xcoms import BEGUN_TRY_KEY, RESULT_KEY, RUN_ID_KEY, RUN_SUMMARY_KEY

_BEGUN = re.compile(rf"{BEGUN_TRY_KEY}-(\d+)")


def note_begun(push: Callable[[str, Any], None], try_number: int) -> None:
    """Store that a try has begun. Does nothing on 2.11, which needs no such note."""
    if AIRFLOW >= (3, 0):
        push(f"{BEGUN_TRY_KEY}-{try_number}", True)


def last_begun(task_instance: Any) -> int | None:
    """The number of the last try that has begun: this one, if Airflow starts it again. None if that is not known.

    Airflow starts a try again by a reschedule. ``airflow tasks test`` has none: it repeats a try on purpose.
    """
    told = getattr(task_instance, "_ti_context_from_server", None)
    newest = task_instance.try_number - (0 if getattr(told, "task_reschedule_count", 0) else 1)
    keys = xcom_keys_of_earlier_try(task_instance) or ()
    numbers = (int(found[1]) for found in map(_BEGUN.fullmatch, keys) if found)
    return max((number for number in numbers if number <= newest), default=None)


def forget_earlier_try(push: Callable[[str, Any], None], keys: Iterable[str] | None = None) -> None:
    """Clear the XComs of the previous try. Without ``keys``: those of a run."""
    links = (*WherobotsRunLink().address_keys, *WherobotsSparkUiLink().address_keys)
    for key in (RUN_ID_KEY, RUN_SUMMARY_KEY, RESULT_KEY, *links) if keys is None else keys:
        # 3.0 accepts no None, and cannot delete the XComs of a mapped task.
        push(key, "")
