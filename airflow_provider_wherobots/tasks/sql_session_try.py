"""How one try gets a SQL session, and waits for it on the worker or by deferring."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.sessions import SINGLE, RequestedSession, SessionRequest, SqlSession
from airflow_provider_wherobots.exceptions import WherobotsSqlSessionException, kind_of_call
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.sql.session import (
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    request_session_with_quota,
    stop_requested_session,
)
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS
from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt
from airflow_provider_wherobots.tasks.task_try import TaskTry
from airflow_provider_wherobots.triggers.sql_session import WherobotsSqlSessionTrigger
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_task import SqlTask  # noqa: F401 - in a string

RESUMED_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable after a deferral, as the trigger has been patient already."""


class SqlSessionTry(TaskTry["SqlTask", SqlAttempt]):
    """The part of a try of ``WherobotsSqlOperator`` that gets it a session.

    A task's *own session* is stopped when the task is killed, or fails and is not retried: a retry uses it. Only a
    session of the type ``single`` is not found again, so it is stopped in any case.
    """

    session_id = ""
    """The session's id, as soon as it is known."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time in which the try works. The attempt is open."""
        try:
            with self.attempt.open():
                yield
        except BaseException as error:
            # Without an id the request has failed. If a session was started all the same, it ends by itself.
            is_used = self._is_deferring or (self.is_retried_after(error) and self.task.session_type != SINGLE)
            is_over = self.attempt.was_killed or not is_used
            if self.session_id and is_over:
                self.attempt.stop_own_session()
            raise

    def is_retried_after(self, error: BaseException) -> bool:
        """Whether Airflow retries the task after an exception."""
        return self.task.may_retry(error) and not self._is_last

    @property
    def _is_last(self) -> bool:
        """Whether no retry follows."""
        ti = self.context["ti"]
        return bool(ti.try_number > ti.max_tries)

    def new_wait(self) -> SessionWait:
        """The wait for a session, from now on."""
        task = self.task
        return SessionWait(task.session_wait_timeout, task.max_outage_seconds, self.deadline, time.time())

    def request(
        self, request: SessionRequest, quota: Mapping[str, Any] | None, kept: Mapping[str, Any], *, is_own: bool
    ) -> RequestedSession:
        """Request a session. After a long wait for quota the task resumes with ``kept``."""
        wait = QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)
        if quota is not None:
            wait = QuotaWait.from_kwargs(quota)
        # A kill may come before the response, which has the session's id.
        is_found_again = is_own and request.is_repeatable
        self.attempt.stop = partial(stop_requested_session, request) if is_found_again else None
        with self._failures():
            response = self.attempt.run(request_session_with_quota(request, wait, self.task.max_outage_seconds))
        if isinstance(response, AwaitingQuota):
            self._defer_for_quota(response, kept, method_name="execute_complete")
        if is_own and not response.fallback:
            self.attempt.own(response.id)
        else:
            self.attempt.stop = None
        self.session_id = response.id
        return response

    def announce(self) -> None:
        """Push the session's id and address."""
        url = self.task.announce_session(self.context, self.session_id)
        self.log.info("SQL session %s; sessions are listed at %s", words.short(self.session_id), url)

    def get_ready(self, session_id: str, wait: SessionWait) -> SqlSession:
        """Wait for a session on this worker."""
        with self._failures():
            return self.attempt.run(await_session(session_id, wait))

    def get_ready_or_defer(self, wait: SessionWait, kept: Mapping[str, Any]) -> SqlSession:
        """Wait for the session: on this worker, or in the triggerer if the task may be deferred and the session is not
        ready yet. Then the task resumes with ``kept``.
        """
        if not self.task.deferrable:
            return self.get_ready(self.session_id, wait)
        with self._failures():
            try:
                return self.attempt.run(await_session(self.session_id, replace(wait, timeout=0.0)))
            except SessionWaitTimeoutError as error:
                if error.at_deadline:
                    raise
            except SessionFailedError:
                raise
            except WherobotsApiError as error:
                # The trigger is patient.
                self.log.warning("%s", error)
        self._defer_until_ready(wait, kept)

    def _defer_until_ready(self, wait: SessionWait, kept: Mapping[str, Any]) -> NoReturn:
        self.log.info("Deferring the task: the triggerer waits for SQL session %s", words.short(self.session_id))
        conn_id, carried = self.task.wherobots_conn_id, wait.to_kwargs()
        self._defer(
            WherobotsSqlSessionTrigger(conn_id, self.session_id, carried, stop_on_kill=self.attempt.stop is not None),
            "execute_complete",
            {"session_id": self.session_id, "wait": carried, **kept},
            timedelta(seconds=wait.left(0.0, time.time()) + DEFER_MARGIN_SECONDS),
        )

    def resumed(self, event: Any, session_id: str, wait: Mapping[str, Any] | None) -> SessionWait:
        """Take over the session, from XCom without ``session_id``. Returns the rest of the wait: the worker checks the
        session.
        """
        if isinstance(event, dict) and event.get("reason"):
            text = "The triggerer ended its wait for the SQL session (%s); looking at it on this worker"
            self.log.info(text, words.quoted(str(event["reason"])))
        self.session_id = session_id or self._pull(SQL_SESSION_ID_KEY) or ""
        left = self.new_wait() if wait is None else SessionWait.from_kwargs(wait)
        return replace(left, max_outage_seconds=min(left.max_outage_seconds, RESUMED_OUTAGE_SECONDS))

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
            advice = f". {words.CHECK_KEY}" if error.key_may_change else ""
            raise kind_of_call(error)(f"There is no SQL session: {words.quoted(str(error))}{advice}") from error
