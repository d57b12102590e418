"""One try of a task that asks for a SQL session: waits for it here or by deferring, and says why there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.console import workload_history_url
from airflow_provider_wherobots.api.sql.models import AskedSession, SqlSession
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.drivers.base import Clock
from airflow_provider_wherobots.exceptions import (
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
    WherobotsSqlSessionException,
    kind_of_call,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.sql.session import (
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    request_session_with_quota,
)
from airflow_provider_wherobots.links.run import xcom_keys
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.airflow_3_0 import is_resumed_retry, remember_deferral
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, deadline_of, pull, push
from airflow_provider_wherobots.triggers.quota import WherobotsQuotaTrigger
from airflow_provider_wherobots.triggers.sql_session import WherobotsSqlSessionTrigger
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY, SQL_SESSION_URL_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_attempt import SqlAttempt
    from airflow_provider_wherobots.operators.sql_task import SqlTask

T = TypeVar("T", bound="SqlTask")

RESUMED_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable after a deferral, as the trigger has been patient already."""


class SqlSessionTry(Generic[T]):
    """What the tries of ``WherobotsSqlOperator`` and ``WherobotsSqlSessionStartOperator`` share.

    Made anew for each call of Airflow's: at the start of a try, and when a deferred one resumes.
    """

    def __init__(self, task: T, context: Context, attempt: SqlAttempt) -> None:
        self.task = task
        self.context = context
        self.attempt = attempt
        self.log = task.log
        self._began_at: float | None = None
        self._is_deferring = False

    def starts_over(self) -> bool:
        """Whether Airflow 3.0 or 3.1.0 resumes a retry that should start over. The try then begins now."""
        if not is_resumed_retry(self._pull, self.context["ti"].try_number):
            return False
        self._began_at = time.time()
        return True

    @property
    def deadline(self) -> float | None:
        """When to give up, in epoch seconds; None without an ``execution_timeout``."""
        return deadline_of(self.task, self.context, self._began_at)

    def new_wait(self) -> SessionWait:
        """The wait for a session, from now on."""
        task = self.task
        return SessionWait(task.session_wait_timeout, task.max_outage_seconds, self.deadline, time.time())

    def ask(
        self, request: SessionRequest, quota: Mapping[str, Any] | None, kept: Mapping[str, Any] | None = None
    ) -> AskedSession:
        """Request a session, while the attempt is open. A long wait for quota is deferred; ``kept`` is what the task
        resumes with after it.
        """
        if quota is None:
            wait = QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)
        else:
            wait = QuotaWait.from_kwargs(quota)
        with self._failures():
            asked = self.attempt.run(request_session_with_quota(request, wait, self.task.max_outage_seconds))
        if isinstance(asked, AwaitingQuota):
            seconds = Clock(time.sleep).seconds(asked.pause)
            self._defer(
                trigger=WherobotsQuotaTrigger(time.time() + seconds),
                method_name="execute_after_quota_wait",
                kwargs={"quota": asked.wait.to_kwargs(), **(kept or {})},
                timeout=None if wait.deadline is None else timedelta(seconds=seconds + DEFER_MARGIN_SECONDS),
            )
        return asked

    def announce(self, session_id: str) -> None:
        """Push the session's id and address."""
        url = workload_history_url(self.task.hook.settings.endpoint.base_url)
        self._push(SQL_SESSION_ID_KEY, session_id)
        for key in xcom_keys(WherobotsSqlSessionLink(), SQL_SESSION_URL_KEY):
            self._push(key, url)
        self.log.info("SQL session %s; sessions are listed at %s", words.short(session_id), url)

    def get_ready(self, session_id: str, wait: SessionWait) -> SqlSession:
        """Wait for a session on this worker, while the attempt is open."""
        with self._failures():
            return self.attempt.run(await_session(session_id, wait))

    def is_ready(self, session_id: str, wait: SessionWait) -> bool:
        """Check a session once, while the attempt is open."""
        with self._failures():
            try:
                self.attempt.run(await_session(session_id, replace(wait, timeout=0.0)))
            except SessionWaitTimeoutError as error:
                if error.at_deadline:
                    raise
                return False
        return True

    def defer_until_ready(
        self, session_id: str, wait: SessionWait, kwargs: dict[str, Any], *, stop_on_kill: bool
    ) -> NoReturn:
        """Let the triggerer wait for a session. ``kwargs`` is what the task resumes with, besides session and wait."""
        self.log.info("The triggerer waits for SQL session %s (the task is deferred)", words.short(session_id))
        conn_id, carried = self.task.wherobots_conn_id, wait.to_kwargs()
        self._defer(
            trigger=WherobotsSqlSessionTrigger(conn_id, session_id, carried, stop_on_kill),
            method_name="execute_in_session",
            kwargs={"session_id": session_id, "wait": carried, **kwargs},
            timeout=timedelta(seconds=wait.left(0.0, time.time()) + DEFER_MARGIN_SECONDS),
        )

    def resumed(self, event: Any, session_id: str, wait: dict[str, Any] | None) -> tuple[str, SessionWait]:
        """The session, and the wait that a trigger has ended, regardless of what it has found: the worker checks
        itself. Without ``session_id`` it is pulled from XCom.
        """
        if isinstance(event, dict) and event.get("reason"):
            self.log.info("The triggerer has ended the wait: %s", words.quoted(str(event["reason"])))
        left = self.new_wait() if wait is None else SessionWait.from_kwargs(wait)
        outage = min(left.max_outage_seconds, RESUMED_OUTAGE_SECONDS)
        return session_id or self._pull(SQL_SESSION_ID_KEY), replace(left, max_outage_seconds=outage)

    def _defer(self, **deferral: Any) -> NoReturn:
        remember_deferral(self._push, self.context["ti"].try_number)
        self._is_deferring = True
        self.task.defer(**deferral)
        raise AssertionError("a deferral returns")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The context in which the API's errors about a session become exceptions of the task."""
        try:
            yield
        except SessionWaitTimeoutError as error:
            if error.at_deadline:
                raise WherobotsExecutionTimeoutException(self._timed_out(str(error))) from error
            raise WherobotsSqlSessionException(str(error)) from error
        except SessionFailedError as error:
            raise WherobotsSqlSessionException(str(error)) from error
        except QuotaNotFreedError as error:
            raise WherobotsQuotaException(str(error)) from error
        except WherobotsApiError as error:
            raise kind_of_call(error)(f"There is no SQL session: {words.quoted(str(error))}") from error

    def _timed_out(self, text: str) -> str:
        if self.task.execution_timeout is None:
            return text
        return f"execution_timeout is {words.duration(self.task.execution_timeout.total_seconds())}: {text}"

    def _push(self, key: str, value: Any) -> None:
        push(self.task, self.context, key, value)

    def _pull(self, key: str) -> Any:
        return pull(self.task, self.context, key)
