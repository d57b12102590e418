"""A retry policy for tasks of this provider, on Airflow 3.3 and later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.runs.payload import redact
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsQuotaException,
    WherobotsRequestException,
    WherobotsResultRefusedException,
    WherobotsRunCancelledException,
    WherobotsRunNotStartedException,
    WherobotsSqlStatementCancelledException,
    WherobotsUnavailableException,
)

if TYPE_CHECKING:
    from airflow.sdk import ExceptionRetryPolicy, RetryRule

REATTACH_DELAY = timedelta(minutes=1)
"""Delay before a retry re-attaches to a run that could no longer be followed."""

FAILS = {
    WherobotsArgumentException: "The same request would be refused again",
    WherobotsRequestException: "The same request would be refused again",
    WherobotsResultRefusedException: "A retry would get the same result",
    WherobotsRunCancelledException: "The run was cancelled on the service's side",
    WherobotsSqlStatementCancelledException: "The statement was cancelled on the service's side",
}
"""Why a retry cannot help."""
RESCHEDULED = (WherobotsQuotaException, WherobotsRunNotStartedException, WherobotsUnavailableException)
"""After these Airflow 3.4 starts the same try again, which uses none of the task's retries."""
MAX_RESCHEDULES = 3
"""How often one try is started again. Then Airflow uses a retry, if there is one."""
MAX_REASON_CHARS = 500
"""How long a reason may be that Airflow keeps."""


def wherobots_retry_policy(*rules: RetryRule) -> ExceptionRetryPolicy:
    """Make a policy of your rules, followed by the operator's rules without a policy.

    Two things differ from having no policy: a ``WherobotsUnavailableException`` is retried after one minute, and
    ``retry_cancelled`` has no effect. The reason, which Airflow logs and keeps with the task, has the run's status, the
    probable cause, its id and cost, and what the retry does. On Airflow 3.4 a full organization, an outage and a run
    that never started use none of the task's retries, up to three times per try.

    Source: "Retry policies" in Airflow's documentation.

    :param rules: your rules; they come before the operator's, and the first rule that matches decides.
    :returns: a policy for the operator's ``retry_policy``.
    :raises WherobotsArgumentException: before Airflow 3.3, which has no retry policies.
    """
    try:
        from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryDecision, RetryRule
    except ImportError:
        raise WherobotsArgumentException(
            "wherobots_retry_policy: needs Airflow 3.3 or later; retry_cancelled=True works on every version"
        ) from None

    class WherobotsRetryPolicy(ExceptionRetryPolicy):
        """Decides by the rules, and says why in the reason."""

        def evaluate(
            self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
        ) -> RetryDecision:
            decision = super().evaluate(exception, try_number, max_tries, context)
            if not isinstance(exception, WherobotsException):
                return decision
            if decision.action is RetryAction.DEFAULT:
                # The same, but with a reason that Airflow keeps.
                decision = RetryDecision.retry()
            is_up_to_us = isinstance(exception, RESCHEDULED) and not any(rule.matches(exception) for rule in rules)
            more: dict[str, Any] = {}
            # After a last try nothing of the task may be left running.
            if is_up_to_us and try_number <= max_tries and (again := getattr(RetryAction, "RESCHEDULE", None)):
                more = {"action": again, "max_reschedules": MAX_RESCHEDULES}
            seen = redact(exception.in_short or str(exception).partition("\n")[0])
            reason = "; ".join(filter(None, (seen, decision.reason)))[:MAX_REASON_CHARS]
            return replace(decision, reason=reason, **more)

    return WherobotsRetryPolicy(
        rules=[
            *rules,
            *(RetryRule(kind, RetryAction.FAIL, reason=reason) for kind, reason in FAILS.items()),
            RetryRule(
                WherobotsUnavailableException,
                RetryAction.RETRY,
                retry_delay=REATTACH_DELAY,
                reason="The retry re-attaches to a run that is still active",
            ),
        ]
    )
