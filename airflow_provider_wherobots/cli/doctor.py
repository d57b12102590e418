"""``doctor``: makes the checks, creates the runs and prints the result.

Some checks need Airflow: its version and logs, and a statement in a SQL session.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow import __version__ as airflow_version

from airflow_provider_wherobots import __version__, words
from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.sql.sessions import SessionRequest
from airflow_provider_wherobots.cli.common import (
    FAILED,
    INTERRUPTED,
    CommandFailedError,
    hook_of,
    io_of,
    print_message,
    print_result,
    print_rows,
    read_settings,
)
from airflow_provider_wherobots.compat import AIRFLOW, AirflowOptionalProviderFeatureException, conf
from airflow_provider_wherobots.config import COPY_LOG_ON_RESUME, configured
from airflow_provider_wherobots.doctor import checks, job
from airflow_provider_wherobots.doctor.checks import Check, State, check_service, has_failed
from airflow_provider_wherobots.doctor.trial import Plan, Trial, checks_of, end_runs, runs_check, try_out
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.words import reason_of

COLUMNS = ("state", "name", "text", "advice")


def examine(arguments: argparse.Namespace) -> int:
    """Run the command. 1 if a check failed, or the provider cannot handle a response; 130 if it was interrupted."""
    if arguments.print_script:
        print_result(Path(job.__file__).read_text(encoding="utf-8").rstrip("\n"))
        return 0
    checks, code = [check_versions(), check_trigger_logs()], 0
    try:
        with _signals_interrupt():
            _examine(arguments, checks)
    except KeyboardInterrupt:
        print_message("Interrupted: the checks are not complete")
        code = INTERRUPTED
    rows = [{name: str(getattr(check, name)) for name in COLUMNS} for check in checks]
    print_rows(rows, arguments.output, COLUMNS)
    failed = sum(has_failed([check]) for check in checks)
    report = print_result if arguments.output == "table" else print_message
    report(f"{failed} of {len(checks)} checks failed." if failed else "Nothing failed.")
    return code or (FAILED if failed else 0)


def _examine(arguments: argparse.Namespace, checks: list[Check]) -> None:
    """Add the checks that need the connection. After one that fails, neither a session nor a run is started."""
    try:
        settings = read_settings(arguments.conn)
    except CommandFailedError as error:
        checks.append(
            Check(
                "connection", State.FAILED, f"{error}.", "create or correct the connection, or name another with --conn"
            )
        )
        return
    checks.append(Check("connection", State.OK, f"{arguments.conn!r} is for {settings.endpoint.base_url}."))
    with io_of(settings) as io:
        found = io.run(check_service, settings)
    checks += found
    if has_failed(found):
        return
    if arguments.sql:
        checks.append(check_sql(settings, arguments.runtime, arguments.region))
    if arguments.run and (uri := arguments.script_uri or _upload(arguments.conn, checks)):
        region = arguments.region or settings.region
        plan = Plan(secrets.token_hex(6), uri, arguments.runtime, region, settings.version)
        _compare(plan, settings, arguments.conn, checks)


def _upload(conn_id: str, checks: list[Check]) -> str | None:
    """Upload the script, and return its address."""
    try:
        uri = hook_of(conn_id).upload_file(Path(job.__file__))
    except Exception as error:
        # The hook's own errors name the remedy. Others may come from reading the file.
        advice = "or copy the script into S3 (--print-script), and name it with --script-uri"
        checks.append(Check("upload", State.FAILED, f"The script was not uploaded: {reason_of(error)}.", advice))
        return None
    checks.append(Check("upload", State.OK, f"The script was uploaded: {uri}"))
    return uri


def _compare(plan: Plan, settings: Settings, conn_id: str, checks: list[Check]) -> None:
    """Create the runs, observe and end them, and add the answers."""
    trial = Trial(plan)
    print_message(
        f"Creating three runs named *-{plan.suffix}. Most of the time they wait for a runtime; "
        f"{words.duration(plan.max_seconds)} at most"
    )
    try:
        with io_of(settings, lambda record: trial.forwarded.append((time.time(), record))) as io:
            io.run(try_out, trial)
    except CommandFailedError as error:
        print_message(f"{error}: cancelling the runs")
    except KeyboardInterrupt:
        print_message("Interrupted: cancelling the runs. Press Ctrl-C again to leave them to their timeout_seconds")
        raise
    finally:
        with io_of(settings) as io:
            left = io.run(end_runs, trial)
        checks += [runs_check(trial, left, conn_id), *checks_of(trial)]


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt as Ctrl-C does, so that they end the runs too."""
    # An ignored signal stays ignored: `nohup` ignores SIGHUP.
    handled = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        return Check(checks.NAME, State.FAILED, str(error), "correct the value")
    try:
        handler, supports_triggers = _log_handler()
        conn_id = conf.get("logging", "remote_log_conn_id", fallback="")
        is_seen = not (3, 0) <= AIRFLOW < (3, 3) or f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ
        return checks.check_handler(
            checks.LOCAL if handler is None else type(handler).__name__,
            supports_triggers=supports_triggers,
            unseen_connection="" if is_seen else conn_id,
            copies=copies,
        )
    except Exception as error:
        # The text of a handler's own error may contain addresses or keys.
        kind = type(error).__name__
        return Check(checks.NAME, State.NOT_CHECKED, f"The log handler cannot be loaded here ({kind}).")


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
    from airflow_provider_wherobots.dbapi.failures import failure_of_hook
    from airflow_provider_wherobots.exceptions import WherobotsException
    from airflow_provider_wherobots.flows.sql.outcome import StatementState
    from airflow_provider_wherobots.flows.sql.session import SessionWait, obtain_session, stop_session
    from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions

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
