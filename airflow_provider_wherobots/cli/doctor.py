"""``doctor``: makes the checks, creates the runs and prints the result."""

from __future__ import annotations

import argparse
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_wherobots.api.endpoint import Settings
from airflow_provider_wherobots.cli.checks import check_sql, check_trigger_logs, check_versions
from airflow_provider_wherobots.cli.output import (
    FAILED,
    INTERRUPTED,
    CommandFailedError,
    print_message,
    print_result,
    print_rows,
)
from airflow_provider_wherobots.cli.service import hook_of, io_of, read_settings
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.check import Check, State, has_failed
from airflow_provider_wherobots.doctor.questions import checks_of
from airflow_provider_wherobots.doctor.service import check_service
from airflow_provider_wherobots.doctor.trial import Plan, Trial, end_runs, runs_check, try_out
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.messages.unforeseen import reason_of

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
