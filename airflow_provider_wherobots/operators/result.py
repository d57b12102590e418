"""The result of a task's run: pushed as an XCom, and returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.flows.outcome import Ending
from airflow_provider_wherobots.logs.result import MARKER
from airflow_provider_wherobots.xcoms import RESULT_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.flows.outcome import Outcome


def take_result(
    outcome: Outcome, push: Callable[[str, Any], None], log: Any, *, may_push: bool, is_wanted: bool
) -> Any:
    """Push a run's result, and say so. The value itself goes into no log of the provider's.

    :param outcome: how the run ended.
    :param push: pushes an XCom; must not raise.
    :param log: takes the messages.
    :param may_push: the task's ``do_xcom_push``.
    :param is_wanted: whether the task returns the result.
    :returns: the result; None if there is none.
    """
    if outcome.result is None:
        if is_wanted and outcome.ending is Ending.COMPLETED:
            log.warning(
                "Run %s has no result: its log has no usable line that begins with '%s'. The task returns None",
                outcome.run_id,
                MARKER,
            )
        return None
    result = json.loads(outcome.result)
    how = "not pushed, because of do_xcom_push=False"
    if result is None:
        how = "null, for which Airflow stores no XCom"
    elif may_push:
        push(RESULT_KEY, result)
        how = f"XCom '{RESULT_KEY}'"
    log.info("Result: %s bytes of JSON (%s)", f"{len(outcome.result.encode()):,}", how)
    return result
