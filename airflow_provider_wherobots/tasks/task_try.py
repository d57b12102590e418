"""What one try of every task does with Airflow: it pushes and pulls XComs, defers, and knows when to give up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.compat import (
    RETRY_RESUMES_DEFERRAL,
    Context,
    get_stats,
    is_ended_by_user,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError
from airflow_provider_wherobots.links.run import StoredAddressLink
from airflow_provider_wherobots.operators.wherobots_task import (
    DEFER_MARGIN_SECONDS,
    FAILED_TRIGGER,
    deadline_margin,
    pull,
    push,
)
from airflow_provider_wherobots.runs.measurements import Kind, Measurement
from airflow_provider_wherobots.triggers.quota import WherobotsQuotaTrigger
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_wherobots.operators.wherobots_task import WherobotsTask
    from airflow_provider_wherobots.tasks.attempt import Attempt

T = TypeVar("T", bound="WherobotsTask")
A = TypeVar("A", bound="Attempt")

TRY_NUMBER = "try_number"
"""What each deferral keeps, by which a try notices that it gets the event of another."""
BEGAN_AT = "began_at"
"""What the deferral of a try that has started over keeps: when that was. Airflow has the start of another try."""


class TaskTry(Generic[T, A]):
    """What all tries share.

    A new object is made for each call from Airflow: at the start of a try, and when a deferred try resumes.
    """

    def __init__(self, task: T, context: Context, attempt: A) -> None:
        self.task = task
        self.context = context
        self.attempt = attempt
        self.log = task.log
        self._is_deferring = False

    def starts_over(self, next_method: str, next_kwargs: Mapping[str, Any] | None) -> bool:
        """Whether Airflow resumes a try that should start over. The try then begins now.

        Either the try gets the event of an earlier try, or the task was missing in its DAG for a time. Airflow gives it
        the event of the try before if the task is cleared while a worker resumes it, and on 3.0 and 3.1.0 in every
        retry of a deferred task (#56704). It removes a deferred task that was renamed, and when it is back, resumes it
        without an event.
        """
        kwargs, try_number = next_kwargs or {}, self.context["ti"].try_number
        has_event = next_method == FAILED_TRIGGER or "event" in kwargs
        if has_event and kwargs.get(TRY_NUMBER, try_number) == try_number:
            self.attempt.began_at = kwargs.get(BEGAN_AT)
            return False
        if not (has_event or RETRY_RESUMES_DEFERRAL):
            # On 3.3 such a task must not defer again, as that ends every triggerer (apache/airflow issue 69841).
            self.task.deferrable = False
        self.attempt.began_at = time.time()
        return True

    @property
    def deadline(self) -> float | None:
        """When to give up, in epoch seconds: shortly before ``execution_timeout``, to cancel and report in time."""
        seconds = self._execution_timeout
        if seconds is None:
            return None
        start = self.context["ti"].start_date
        started = self.attempt.began_at or (start.timestamp() if start is not None else time.time())
        return float(started + seconds - deadline_margin(seconds))

    @property
    def _execution_timeout(self) -> float | None:
        limit = self.task.execution_timeout
        return None if limit is None else float(limit.total_seconds())

    def _timed_out(self, reason: object) -> WherobotsExecutionTimeoutException:
        seconds = self._execution_timeout
        limit = "" if seconds is None else f"execution_timeout is {words.duration(seconds)}: "
        return WherobotsExecutionTimeoutException(f"{limit}{reason}")

    def _no_quota(self, error: QuotaNotFreedError) -> WherobotsException:
        return self._timed_out(error) if error.at_deadline else WherobotsQuotaException(str(error))

    def _defer(
        self,
        trigger: BaseTrigger,
        method_name: str,
        kwargs: dict[str, Any] | None = None,
        timeout: timedelta | None = None,
    ) -> NoReturn:
        # The process may not have noticed yet. Airflow 3 then refuses the deferral, and calls no "on_kill"; 2.11 would
        # follow the run all the same.
        if is_ended_by_user(self.context["ti"]):
            self.task.on_kill()
        if self.attempt.was_killed:
            # What the kill has ended must not be followed.
            raise WherobotsTaskKilledException("The task was killed before it was deferred")
        self._is_deferring = True
        began_at = self.attempt.began_at
        own = {TRY_NUMBER: self.context["ti"].try_number, **({} if began_at is None else {BEGAN_AT: began_at})}
        self.task.defer(trigger=trigger, method_name=method_name, kwargs={**own, **(kwargs or {})}, timeout=timeout)
        raise AssertionError("a deferral returns")

    def _defer_for_quota(
        self,
        awaiting: AwaitingQuota,
        kept: Mapping[str, Any],
        method_name: str = "execute_after_quota_wait",
    ) -> NoReturn:
        """Defer a long wait for quota. The task resumes with ``kept``."""
        seconds = awaiting.pause.length()
        self._defer(
            WherobotsQuotaTrigger(time.time() + seconds),
            method_name,
            {**kept, "quota": awaiting.wait.to_kwargs()},
            None if awaiting.wait.deadline is None else timedelta(seconds=seconds + DEFER_MARGIN_SECONDS),
        )

    @staticmethod
    def _defer_timeout(deadline: float | None) -> timedelta | None:
        """How long Airflow may let the task be deferred; None without a deadline."""
        if deadline is None:
            return None
        return timedelta(seconds=max(0.0, deadline - time.time()) + DEFER_MARGIN_SECONDS)

    def _push(self, key: str, value: Any) -> None:
        push(self.task, self.context, key, value)

    def _push_address(self, link: StoredAddressLink, url: str) -> None:
        for key in link.address_keys:
            self._push(key, url)

    def _pull(self, key: str) -> Any:
        return pull(self.task, self.context, key)

    @property
    def _metric_tags(self) -> dict[str, str]:
        return {"dag_id": self.context["ti"].dag_id, "task_id": self.context["ti"].task_id}

    def _emit(self, measurements: Iterable[Measurement]) -> None:
        """Send values to Airflow's metrics (StatsD, Datadog or OpenTelemetry). An error is one warning in the log."""
        try:
            stats = get_stats()
            for measurement in measurements:
                name, value, tags = measurement.name, measurement.value, dict(measurement.tags)
                match measurement.kind:
                    case Kind.COUNTER:
                        stats.incr(name, int(value), tags=tags)
                    case Kind.GAUGE:
                        stats.gauge(name, value, tags=tags)
                    case Kind.TIMING:
                        # A number would be milliseconds to some clients and seconds to others.
                        stats.timing(name, timedelta(seconds=value), tags=tags)
        except Exception as error:
            self.log.warning("The task's metrics could not be sent: %s", reason_of(error))
