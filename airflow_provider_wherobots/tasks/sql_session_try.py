"""One try of a task that requests a SQL session. It waits for the session on the worker or by deferring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_provider_wherobots.api.endpoint import workload_history_url
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.models import RequestedSession, SqlSession
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.exceptions import WherobotsSqlSessionException, kind_of_call
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.sql.session import (
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    request_session_with_quota,
)
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS
from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt
from airflow_provider_wherobots.tasks.task_try import TaskTry
from airflow_provider_wherobots.triggers.sql_session import WherobotsSqlSessionTrigger
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_task import SqlTask

T = TypeVar("T", bound="SqlTask")

RESUMED_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable after a deferral, as the trigger has been patient already."""


class SqlSessionTry(TaskTry[T, SqlAttempt]):
    """What the tries of ``WherobotsSqlOperator`` and ``WherobotsSqlSessionStartOperator`` share."""

    def new_wait(self) -> SessionWait:
        """The wait for a session, from now on."""
        task = self.task
        return SessionWait(task.session_wait_timeout, task.max_outage_seconds, self.deadline, time.time())

    def request_session(
        self, request: SessionRequest, quota: Mapping[str, Any] | None, kept: Mapping[str, Any] | None = None
    ) -> RequestedSession:
        """Request a session, while the attempt is open. After a long wait for quota the task resumes with ``kept``."""
        wait = QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)
        if quota is not None:
            wait = QuotaWait.from_kwargs(quota)
        with self._failures():
            response = self.attempt.run(request_session_with_quota(request, wait, self.task.max_outage_seconds))
        if isinstance(response, AwaitingQuota):
            self._defer_for_quota(response, kept or {})
        return response

    def announce(self, session_id: str) -> None:
        """Push the session's id and address."""
        url = workload_history_url(self.task.hook.settings.endpoint.base_url)
        self._push(SQL_SESSION_ID_KEY, session_id)
        self._push_address(WherobotsSqlSessionLink(), url)
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
        """Let the triggerer wait for a session. The task resumes with the session, the wait and ``kwargs``."""
        self.log.info("The triggerer waits for SQL session %s (the task is deferred)", words.short(session_id))
        conn_id, carried = self.task.wherobots_conn_id, wait.to_kwargs()
        self._defer(
            WherobotsSqlSessionTrigger(conn_id, session_id, carried, stop_on_kill),
            "execute_in_session",
            {"session_id": session_id, "wait": carried, **kwargs},
            timedelta(seconds=wait.left(0.0, time.time()) + DEFER_MARGIN_SECONDS),
        )

    def resumed(self, event: Any, session_id: str, wait: dict[str, Any] | None) -> tuple[str, SessionWait]:
        """The session (from XCom without ``session_id``), and the rest of the wait. The worker checks the session."""
        if isinstance(event, dict) and event.get("reason"):
            self.log.info("The triggerer has ended the wait: %s", words.quoted(str(event["reason"])))
        left = self.new_wait() if wait is None else SessionWait.from_kwargs(wait)
        outage = min(left.max_outage_seconds, RESUMED_OUTAGE_SECONDS)
        return session_id or self._pull(SQL_SESSION_ID_KEY), replace(left, max_outage_seconds=outage)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """The context in which errors of the API become exceptions of the task."""
        try:
            yield
        except SessionWaitTimeoutError as error:
            if error.at_deadline:
                raise self._timed_out(error) from error
            raise WherobotsSqlSessionException(str(error)) from error
        except SessionFailedError as error:
            raise WherobotsSqlSessionException(str(error)) from error
        except QuotaNotFreedError as error:
            raise self._no_quota(error) from error
        except WherobotsApiError as error:
            raise kind_of_call(error)(f"There is no SQL session: {words.quoted(str(error))}") from error
