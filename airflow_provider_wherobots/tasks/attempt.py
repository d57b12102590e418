"""What every task of this provider does in one call from Airflow, and how a kill stops it."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.compat import (
    FAILED_TRIGGER,
    RETRY_RESUMES_DEFERRAL,
    BaseOperator,
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
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.io.worker import FlowStoppedError, WorkerIo, notes_of_handler
from airflow_provider_wherobots.links.run import StoredAddressLink
from airflow_provider_wherobots.runs.memory import Try
from airflow_provider_wherobots.runs.summary import Kind, Measurement
from airflow_provider_wherobots.task_memory import try_of
from airflow_provider_wherobots.triggers.quota import WherobotsQuotaTrigger
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

P = ParamSpec("P")
T = TypeVar("T")

DEFER_MARGIN_SECONDS = 120.0
"""How long after the trigger's deadline Airflow's deferral timeout comes, as a backstop for a dead triggerer."""
TRY_NUMBER = "try_number"
"""What each deferral keeps, by which a try notices that it gets the event of another."""
BEGAN_AT = "began_at"
"""What the deferral of a try that has started over keeps: when that was. Airflow has the start of another try."""


class Attempt:
    """What a task does in one call from Airflow: at the start of a try, and when a deferred try resumes.

    It runs flows on the calling thread. A signal handler may interrupt it with :meth:`kill`.
    """

    def __init__(self, task: BaseOperator, hook: WherobotsHook, context: Context, *, may_defer: bool) -> None:
        self.task = task
        self.context = context
        self.log = task.log
        self.may_defer = may_defer
        self.is_deferring = False
        self.was_killed = self._is_ready = self._has_ended_all = False
        self._hook = hook
        self._began_at: float | None = None
        """When the try has started over, in epoch seconds; None if it began when Airflow says."""
        self._io: WorkerIo | None = None
        self._notes: list[tuple[int, str]] | None = None

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
            self._began_at = kwargs.get(BEGAN_AT)
            return False
        if not (has_event or RETRY_RESUMES_DEFERRAL):
            # On 3.3 such a task must not defer again, as that ends every triggerer (apache/airflow issue 69841).
            self.may_defer = False
        self._began_at = time.time()
        return True

    # Flows, and a kill

    def get_ready(self) -> None:
        """Import the HTTP client and read the connection. A kill must find both done: it may interrupt either."""
        import airflow_provider_wherobots.api.transports.requests  # noqa: F401

        self._hook.settings  # noqa: B018
        self._is_ready = True

    @contextmanager
    def open(self) -> Iterator[WorkerIo]:
        """The time in which flows can run that :meth:`kill` can stop, unless it has begun already. A WebSocket that a
        flow opens stays open until the end of this context.
        """
        if self._io is not None:
            yield self._io
            return
        self.get_ready()
        with self._new_io() as io:
            # In this order: a kill may come between the two.
            self._io = io
            io.stopped = self.was_killed
            try:
                yield io
            except FlowStoppedError as error:
                raise WherobotsTaskKilledException(str(error)) from None
            finally:
                self._io = None

    def _new_io(self) -> AbstractContextManager[WorkerIo]:
        return self._hook.io(self.note)

    def run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow that :meth:`kill` can stop."""
        with self.open() as io:
            return io.run(flow, *args, **kwargs)

    def kill(self) -> None:
        """Stop for good, and end what is under way. Another kill does nothing if this one has finished. A second
        SIGTERM (Airflow 2.11) or the task's timeout may interrupt this one.

        Does not read the connection again, because the interrupted code may be in the middle of a request to the
        supervisor.
        """
        if self._has_ended_all:
            return
        interrupted = self._notes
        self.was_killed = True
        try:
            with notes_of_handler(self._hook.log.log) as self._notes:
                if self._io is not None:
                    self._io.stop()
                # Otherwise the interrupted code may be reading the connection. It then cancels the run itself.
                if self._is_ready:
                    self._has_ended_all = self._end_all()
        finally:
            self._notes = interrupted

    @abstractmethod
    def _end_all(self) -> bool:
        """End what is under way, in the seconds that Airflow leaves. Returns whether it is known what that is."""

    def _run_on_new_session(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow, but not on the ``Io``'s own HTTP session: it may hold half a response."""
        with self._hook.io(self.note, may_reload=False) as io:
            return io.run(flow, *args, **kwargs)

    def note(self, level: int, text: str) -> None:
        """Write a line to the log. In a kill, it is written at the end."""
        if self._notes is None:
            self._hook.log.log(level, text)
        else:
            self._notes.append((level, text))

    # When to give up

    @property
    def this_try(self) -> Try:
        """The try that Airflow has started."""
        return try_of(self.context)

    @property
    def execution_timeout(self) -> float | None:
        """The task's ``execution_timeout`` in seconds."""
        limit = self.task.execution_timeout
        return None if limit is None else float(limit.total_seconds())

    @property
    def deadline(self) -> float | None:
        """When to give up, in epoch seconds: shortly before ``execution_timeout``, to cancel and report in time."""
        seconds = self.execution_timeout
        if seconds is None:
            return None
        start = self.context["ti"].start_date
        started = self._began_at or (start.timestamp() if start is not None else time.time())
        return float(started + seconds - min(15.0, max(2.0, seconds * 0.05)))

    def timed_out(self, reason: object) -> WherobotsExecutionTimeoutException:
        """The exception of a task whose deadline has come."""
        seconds = self.execution_timeout
        limit = "" if seconds is None else f"execution_timeout is {words.duration(seconds)}: "
        return WherobotsExecutionTimeoutException(f"{limit}{reason}")

    def quota_wait(self, max_seconds: float) -> QuotaWait:
        """The wait for quota, from now on."""
        return QuotaWait(max_seconds, self.may_defer, self.deadline)

    def no_quota(self, error: QuotaNotFreedError) -> WherobotsException:
        """The exception of a task that has waited for quota in vain."""
        return self.timed_out(error) if error.at_deadline else WherobotsQuotaException(str(error))

    # Deferral

    def defer(
        self, trigger: BaseTrigger, method_name: str, kept: Mapping[str, Any], until: float | None = None
    ) -> NoReturn:
        """Defer the task. It resumes with ``kept``. ``until`` is when the trigger ends by itself, in epoch seconds."""
        # The process may not have noticed yet. Airflow 3 then refuses the deferral, and calls no "on_kill"; 2.11 would
        # follow the run all the same.
        if is_ended_by_user(self.context["ti"]):
            self.task.on_kill()
        if self.was_killed:
            # What the kill has ended must not be followed.
            raise WherobotsTaskKilledException("The task was killed before it was deferred")
        self.is_deferring = True
        own: dict[str, Any] = {TRY_NUMBER: self.context["ti"].try_number}
        if self._began_at is not None:
            own[BEGAN_AT] = self._began_at
        left = None if until is None else timedelta(seconds=max(0.0, until - time.time()) + DEFER_MARGIN_SECONDS)
        self.task.defer(trigger=trigger, method_name=method_name, kwargs={**own, **kept}, timeout=left)
        raise AssertionError("a deferral returns")

    def defer_for_quota(self, awaiting: AwaitingQuota, method_name: str, kept: Mapping[str, Any]) -> NoReturn:
        """Defer a long wait for quota. The task resumes with ``kept``."""
        until, wait = time.time() + awaiting.pause.length(), awaiting.wait
        kept = {**kept, "quota": wait.to_kwargs()}
        self.defer(WherobotsQuotaTrigger(until), method_name, kept, None if wait.deadline is None else until)

    # XComs and metrics

    def push(self, key: str, value: Any) -> None:
        """Push an XCom. A failure is logged, and does not fail the task."""
        try:
            self.context["ti"].xcom_push(key=key, value=value)
        except Exception as error:
            self.log.warning("XCom %s could not be pushed: %s", key, reason_of(error))

    def push_address(self, link: StoredAddressLink, url: str) -> None:
        """Push the address that a link opens."""
        for key in link.address_keys:
            self.push(key, url)

    def pull(self, key: str) -> Any:
        """Pull an XCom of this task instance. None if there is none."""
        ti = self.context["ti"]
        return ti.xcom_pull(task_ids=self.task.task_id, key=key, map_indexes=ti.map_index)

    @property
    def metric_tags(self) -> dict[str, str]:
        """The tags of each of the task's metrics."""
        return {"dag_id": self.context["ti"].dag_id, "task_id": self.context["ti"].task_id}

    def emit(self, measurements: Iterable[Measurement]) -> None:
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
