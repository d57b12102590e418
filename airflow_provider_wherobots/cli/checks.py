"""The doctor's checks that need Airflow: its version and logs, and a statement in a SQL session."""

from __future__ import annotations

import logging
import os
import platform
import time
from contextlib import closing
from typing import Any
from uuid import uuid4

from airflow import __version__ as airflow_version

from airflow_provider_wherobots import __version__
from airflow_provider_wherobots.api.endpoint import Settings
from airflow_provider_wherobots.api.sql.sessions import SessionRequest
from airflow_provider_wherobots.cli.output import print_message
from airflow_provider_wherobots.cli.service import io_of
from airflow_provider_wherobots.compat import AIRFLOW, AirflowOptionalProviderFeatureException, conf
from airflow_provider_wherobots.config import COPY_LOG_ON_RESUME, configured
from airflow_provider_wherobots.doctor import trigger_logs
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.messages import words

NEWEST_TESTED_AIRFLOW = (3, 4)
SQL = "SQL"
SELECT_SECONDS = 120.0
"""How long ``SELECT 1`` may take in a session that is ready."""


def check_versions() -> Check:
    """Name the versions, and say if this Airflow is newer than those that were tested."""
    name = "versions"
    text = f"Provider {__version__}, Airflow {airflow_version}, Python {platform.python_version()}."
    if AIRFLOW > NEWEST_TESTED_AIRFLOW:
        tested = f"{text} This provider is not tested with Airflow {'.'.join(map(str, AIRFLOW))}."
        return Check(name, State.WARNING, tested, "check for a newer provider")
    return Check(name, State.OK, text)


def check_trigger_logs() -> Check:
    """Check whether this machine's log handler keeps what triggers write."""
    try:
        copies = configured(COPY_LOG_ON_RESUME)
    except Exception as error:
        return Check(trigger_logs.NAME, State.FAILED, str(error), "correct the value")
    try:
        handler, supports_triggers = _log_handler()
        conn_id = conf.get("logging", "remote_log_conn_id", fallback="")
        is_seen = not (3, 0) <= AIRFLOW < (3, 3) or f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ
        return trigger_logs.check_handler(
            trigger_logs.LOCAL if handler is None else type(handler).__name__,
            supports_triggers=supports_triggers,
            unseen_connection="" if is_seen else conn_id,
            copies=copies,
        )
    except Exception as error:
        # The text of a handler's own error may contain addresses or keys.
        kind = type(error).__name__
        return Check(trigger_logs.NAME, State.NOT_CHECKED, f"The log handler cannot be loaded here ({kind}).")


def _log_handler() -> tuple[Any, bool]:
    """The handler of task logs, None for local files, and whether Airflow gives it what triggers write.

    On 2.11 a triggerer uses the first handler that declares its support for triggers, of these two loggers.
    """
    if AIRFLOW >= (3, 0):
        from airflow.sdk.log import load_remote_log_handler

        return load_remote_log_handler(), True
    handlers = [*logging.getLogger().handlers, *logging.getLogger("airflow.task").handlers]
    flags = ("trigger_should_wrap", "trigger_supported")
    for handler in handlers:
        if any(vars(owner).get(flag) for owner in (handler, type(handler)) for flag in flags):
            return handler, True
    return handlers[-1] if handlers else None, False


def check_sql(settings: Settings, runtime: str, region: str | None) -> Check:
    """Execute ``SELECT 1`` in a new session, which is stopped in any case."""
    try:
        from airflow_provider_wherobots.hooks.sql import check_installed

        check_installed()
    except AirflowOptionalProviderFeatureException as error:
        return Check(SQL, State.FAILED, f"{error}.", "install the extra, here and on workers")
    from airflow_provider_wherobots.dbapi.connection import Connection
    from airflow_provider_wherobots.exceptions import WherobotsException
    from airflow_provider_wherobots.flows.sql.outcome import StatementState
    from airflow_provider_wherobots.flows.sql.session import SessionWait, obtain_session, stop_session
    from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions
    from airflow_provider_wherobots.hooks.sql_failures import failure_of_hook

    def run_apart(flow: Flow[..., Any], *args: Any, **kwargs: Any) -> Any:
        with io_of(settings) as io:
            return io.run(flow, *args, **kwargs)

    request = SessionRequest(runtime, region or settings.region, settings.version, force_new=True)
    own: list[str] = []
    print_message("Starting a SQL session, which takes minutes. It is stopped after SELECT 1")
    began = time.monotonic()
    try:
        with closing(Connection(io_of(settings), run_apart, lambda level, text: print_message(text))) as connection:
            connection.open(obtain_session, request, SessionWait(), own=own.append)
            execution_id = str(uuid4())
            options = StatementOptions(
                connection.url,
                time.time() + SELECT_SECONDS,
                f"limit of {words.duration(SELECT_SECONDS)} for SELECT 1",
            )
            outcome = connection.send(Statement(execution_id, "SELECT 1"), options)
            if outcome.state is not StatementState.SUCCEEDED:
                raise failure_of_hook(outcome, connection.session_id, may_repeat=True)
            cursor = connection.cursor()
            cursor.take(outcome, is_read=True)
            cursor.fetchall()
    except WherobotsException as error:
        text = f"SELECT 1 was not executed in a SQL session ({words.quoted(str(error))})."
        return Check(SQL, State.FAILED, text, "read the service's message; runs work without SQL")
    finally:
        if own:
            with io_of(settings) as io:
                io.run(stop_session, own[0])
    took = words.duration(time.monotonic() - began)
    return Check(SQL, State.OK, f"SELECT 1 was executed in a new SQL session, {took} after it was requested.")
