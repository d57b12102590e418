"""What the operators of SQL share: the session that a task asks for, and what the task fails with if there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, NoReturn

from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.console import workload_history_url
from airflow_provider_wherobots.api.sql.models import AskedSession, SqlSession
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.config import DEFAULT_DEFERRABLE, MAX_OUTAGE_SECONDS, MAX_QUOTA_WAIT_SECONDS, configured
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
    ask_with_quota,
    await_session,
)
from airflow_provider_wherobots.links.run import xcom_keys
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.airflow_3_0 import is_resumed_retry, remember_deferral
from airflow_provider_wherobots.operators.sql_attempt import SqlAttempt
from airflow_provider_wherobots.operators.wherobots_task import (
    DEFER_MARGIN_SECONDS,
    WherobotsTask,
    deadline_of,
    pull,
    push,
)
from airflow_provider_wherobots.triggers.quota import WherobotsQuotaTrigger
from airflow_provider_wherobots.triggers.sql_session import WherobotsSqlSessionTrigger
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY, SQL_SESSION_URL_KEY

RESUMED_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable after a deferral, as the trigger has been patient already."""


class SqlTask(WherobotsTask):
    """What ``WherobotsSqlOperator`` and ``WherobotsSqlSessionStartOperator`` share."""

    _began_at: float | None = None
    """When this try began, in epoch seconds, if Airflow has the wrong time (3.0 and 3.1.0)."""
    runtime: str | None
    region: str | None
    version: str | None
    session_type: str
    force_new: bool
    session_key: Any
    shutdown_after_inactive_seconds: int | None
    session_wait_timeout: float
    deferrable: bool
    max_outage_seconds: float

    def _set_session_arguments(
        self,
        *,
        runtime: str | Enum | None,
        region: str | Enum | None,
        version: str | Enum | None,
        session_type: str | Enum,
        force_new: bool,
        session_key: Any,
        shutdown_after_inactive_seconds: int | None,
        session_wait_timeout: float,
        deferrable: bool | None,
        max_outage_seconds: float | None,
    ) -> None:
        self.runtime = _value_of(runtime)
        self.region = _value_of(region)
        self.version = _value_of(version)
        self.session_type = _value_of(session_type)
        self.force_new = force_new
        self.session_key = session_key
        self.shutdown_after_inactive_seconds = shutdown_after_inactive_seconds
        self.session_wait_timeout = self._number("session_wait_timeout", session_wait_timeout, above_0=True)
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        if not isinstance(self.deferrable, bool):
            raise self._wrong(f"deferrable={deferrable!r}: must be True or False")
        # What may be a template is checked when it is rendered.
        self._checked_request(session_type=self.session_type, force_new=force_new, **self._shutdown)

    @property
    def _attempt(self) -> SqlAttempt:
        return self._made_once(lambda: SqlAttempt(self.hook))

    @property
    def _shutdown(self) -> dict[str, Any]:
        return {"shutdown_after_inactive_seconds": self.shutdown_after_inactive_seconds}

    def _session_request(self, session_key: str | None) -> SessionRequest:
        settings = self.hook.settings
        return self._checked_request(
            runtime=settings.runtime if self.runtime is None else _value_of(self.runtime),
            region=settings.region if self.region is None else _value_of(self.region),
            version=settings.version if self.version is None else _value_of(self.version),
            session_type=self.session_type,
            force_new=self.force_new,
            session_key=session_key,
            **self._shutdown,
        )

    def _checked_request(self, **fields: Any) -> SessionRequest:
        try:
            return SessionRequest(**fields)
        except InvalidArgumentError as error:
            raise self._wrong(str(error)) from None

    def _ask(
        self, context: Context, request: SessionRequest, quota: Mapping[str, Any] | None, kwargs: Mapping[str, Any]
    ) -> AskedSession:
        """Ask for a session, between the attempt's opening and its end. A long wait for quota is deferred."""
        if quota is None:
            most = self._seconds(MAX_QUOTA_WAIT_SECONDS, None)
            wait = QuotaWait(most, may_hand_over=self.deferrable, deadline=self._deadline(context))
        else:
            wait = QuotaWait.from_kwargs(quota)
        with self._session_failures():
            asked = self._attempt.run(ask_with_quota(request, wait, self.max_outage_seconds))
        if isinstance(asked, AwaitingQuota):
            remember_deferral(partial(push, self, context), context["ti"].try_number)
            seconds = Clock(time.sleep).seconds(asked.pause)
            self.defer(
                trigger=WherobotsQuotaTrigger(time.time() + seconds),
                method_name="execute_after_quota_wait",
                kwargs={"quota": asked.wait.to_kwargs(), **kwargs},
                timeout=None if wait.deadline is None else timedelta(seconds=seconds + DEFER_MARGIN_SECONDS),
            )
        return asked

    def _deadline(self, context: Context) -> float | None:
        return deadline_of(self, context, self._began_at)

    def _new_wait(self, context: Context) -> SessionWait:
        return SessionWait(self.session_wait_timeout, self.max_outage_seconds, self._deadline(context), time.time())

    def _get_ready(self, session_id: str, wait: SessionWait) -> SqlSession:
        """Wait on this worker, between the attempt's opening and its end."""
        with self._session_failures():
            return self._attempt.run(await_session(session_id, wait))

    def _is_ready(self, session_id: str, wait: SessionWait) -> bool:
        """Look at the session once, between the attempt's opening and its end."""
        with self._session_failures():
            try:
                self._attempt.run(await_session(session_id, replace(wait, timeout=0.0)))
            except SessionWaitTimeoutError as error:
                if error.at_deadline:
                    raise
                return False
        return True

    def _defer_until_ready(
        self,
        context: Context,
        session_id: str,
        wait: SessionWait,
        kwargs: dict[str, Any],
        *,
        stop_on_kill: bool = False,
    ) -> NoReturn:
        remember_deferral(partial(push, self, context), context["ti"].try_number)
        self.log.info("The triggerer waits for SQL session %s (the task is deferred)", words.short(session_id))
        seconds = wait.left(0.0, time.time()) + DEFER_MARGIN_SECONDS
        self.defer(
            trigger=WherobotsSqlSessionTrigger(self.wherobots_conn_id, session_id, wait.to_kwargs(), stop_on_kill),
            method_name="execute_in_session",
            kwargs={"session_id": session_id, "wait": wait.to_kwargs(), **kwargs},
            timeout=timedelta(seconds=seconds),
        )
        raise AssertionError("a deferral returns")

    def _resumed(
        self, context: Context, event: Any, session_id: str, wait: dict[str, Any] | None
    ) -> tuple[str, SessionWait]:
        """The session, and the wait that a trigger has ended, whatever it has found: the worker looks itself."""
        if isinstance(event, dict) and event.get("reason"):
            self.log.info("The triggerer has ended the wait: %s", words.quoted(str(event["reason"])))
        left = self._new_wait(context) if wait is None else SessionWait.from_kwargs(wait)
        outage = min(left.max_outage_seconds, RESUMED_OUTAGE_SECONDS)
        return session_id or pull(self, context, SQL_SESSION_ID_KEY), replace(left, max_outage_seconds=outage)

    def _is_resumed_retry(self, context: Context) -> bool:
        """Whether Airflow 3.0 or 3.1.0 resumes a retry that should start over. The try then begins now."""
        if not is_resumed_retry(partial(pull, self, context), context["ti"].try_number):
            return False
        self._began_at = time.time()
        return True

    def _announce_session(self, context: Context, session_id: str) -> None:
        url = workload_history_url(self.hook.settings.endpoint.base_url)
        push(self, context, SQL_SESSION_ID_KEY, session_id)
        for key in xcom_keys(WherobotsSqlSessionLink(), SQL_SESSION_URL_KEY):
            push(self, context, key, url)
        self.log.info("SQL session %s; sessions are listed at %s", words.short(session_id), url)

    @contextmanager
    def _session_failures(self) -> Iterator[None]:
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
        if self.execution_timeout is None:
            return text
        return f"execution_timeout is {words.duration(self.execution_timeout.total_seconds())}: {text}"


def _value_of(value: Any) -> Any:
    """A value of the vendor's enumerations counts by what it stands for."""
    return value.value if isinstance(value, Enum) else value
