"""``doctor``: makes the checks, creates the runs, prints the result and writes the report."""

from __future__ import annotations

import argparse
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import ProxySettingError
from airflow_provider_wherobots.api.transports.environment import proxy_for
from airflow_provider_wherobots.cli.checks import SQL, check_sql, check_trigger_logs, check_triggerer, check_versions
from airflow_provider_wherobots.cli.output import (
    FAILED,
    INTERRUPTED,
    CommandFailedError,
    print_document,
    print_message,
    print_result,
    print_rows,
)
from airflow_provider_wherobots.cli.service import driver_of, hook_of, read_settings
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.check import Check, State, as_markdown, conclusion, has_failed, redacted
from airflow_provider_wherobots.doctor.questions import checks_of
from airflow_provider_wherobots.doctor.read_runs import OBSERVING, runs_check
from airflow_provider_wherobots.doctor.redaction import Redactor, names_in, names_of_host
from airflow_provider_wherobots.doctor.service import query_service, service_checks
from airflow_provider_wherobots.doctor.trial import LOG, Plan, Trial, end_runs, try_out
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.hooks.wherobots import MASKED_KEY

COLUMNS = ("state", "name", "text", "advice")


def examine(arguments: argparse.Namespace) -> int:
    """Run the command. 1 if a check failed, or the provider cannot handle a response; 130 if it was interrupted."""
    if arguments.print_script:
        print_result(Path(job.__file__).read_text(encoding="utf-8").rstrip("\n"))
        return 0
    examination = _Examination(arguments)
    code = examination.examine()
    failed = examination.show()
    return code or (FAILED if failed else 0)


class _Examination:
    """The checks so far, and the secrets and names that their texts may contain."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._checks: list[Check] = []
        self._secrets: set[str] = set()
        self._names: set[str] = set()

    def examine(self) -> int:
        """Make all checks. Returns the exit code: 130 if the runs or the SQL session were interrupted, else 0."""
        code, arguments = 0, self._arguments
        if arguments.report is not None:
            _write(arguments.report, "", "a")
        self._checks.append(check_versions())
        if (settings := self._connection()) is not None:
            is_fine = self._service(settings)
            if arguments.sql and is_fine:
                code = self._sql(settings)
            elif arguments.sql:
                self._add(SQL, State.NOT_CHECKED, "No session was started, because the checks above failed.")
            if arguments.run and is_fine and not code:
                code = self._trial(settings)
            elif arguments.run:
                self._add("runs", State.NOT_CHECKED, "No run was created: see the checks above.")
        self._checks += [check_triggerer(), check_trigger_logs()]
        return code

    def show(self) -> bool:
        """Print the result, write the report, and return whether a check failed."""
        redactor, output, path = Redactor(self._secrets, self._names), self._arguments.output, self._arguments.report
        checks, failed = redacted(self._checks, redactor.hide_secrets), has_failed(self._checks)
        rows = [{name: str(getattr(check, name)) for name in COLUMNS} for check in checks]
        if output in ("json", "yaml"):
            print_document({"failed": failed, "checks": rows}, output)
        else:
            print_rows(rows, output, COLUMNS)
            print_result(conclusion(checks))
        if path is not None:
            text = as_markdown(redacted(checks, redactor.hide_all), words.moment(time.time()))
            _write(path, redactor.hide_secrets(text), "w")
            print_message(f"The report is in {path}")
        return failed

    def _add(self, name: str, state: State, text: str, advice: str = "") -> None:
        self._checks.append(Check(name, state, text, advice))

    def _connection(self) -> Settings | None:
        name, conn_id = "connection", self._arguments.conn
        try:
            settings = read_settings(conn_id)
        except CommandFailedError as error:
            self._add(name, State.FAILED, f"{error}.", "see the page Connection of the documentation")
            return None
        if settings.endpoint.api_key == MASKED_KEY:
            text = f"{conn_id!r} has *** in place of the key: it was copied from where Airflow hides secrets."
            self._add(name, State.FAILED, text, "put the key itself into the connection's password")
            return None
        self._secrets.add(settings.endpoint.api_key)
        self._names |= names_of_host(settings.endpoint.base_url)
        self._add(name, State.OK, f"{conn_id!r} was found, for {settings.endpoint.base_url}.")
        return settings

    def _service(self, settings: Settings) -> bool:
        """Check the service, and return whether runs may be created."""
        proxy = self._proxy(settings)
        if proxy is not None:
            self._names |= names_of_host(proxy)
        with driver_of(settings) as driver:
            responses = driver.run(query_service())
        self._names |= names_in([responses.organization, responses.storage, responses.me])
        self._checks += service_checks(responses, settings, proxy)
        return not has_failed(self._checks)

    def _proxy(self, settings: Settings) -> str | None:
        """The address of the proxy in use. None for a direct connection, and for a proxy that cannot be used."""
        try:
            proxy = proxy_for("listJobRuns", settings.endpoint.base_url)
        except ProxySettingError as error:
            self._add("proxy", State.FAILED, f"{error}.", "correct the variable")
            return None
        if proxy is None:
            self._add("proxy", State.OK, "None is used.")
            return None
        self._secrets.update(proxy.headers.values())
        self._add("proxy", State.OK, f"{proxy.url} is used.")
        return proxy.url

    def _sql(self, settings: Settings) -> int:
        arguments = self._arguments
        try:
            with _signals_interrupt():
                self._checks.append(check_sql(settings, arguments.runtime, arguments.region))
        except KeyboardInterrupt:
            self._add(SQL, State.WARNING, "Interrupted; its session is stopped.", "repeat the command")
            return INTERRUPTED
        return 0

    def _trial(self, settings: Settings) -> int:
        """Create the runs, observe and end them, and return the exit code."""
        if (uri := self._script_uri()) is None:
            return 0
        self._names.add(urlsplit(uri).netloc)
        region = self._arguments.region or settings.region
        plan = Plan(secrets.token_hex(6), uri, self._arguments.runtime, region, settings.version)
        trial = Trial(plan)
        code, left = self._carry_out(trial, settings)
        for _, run in trial.polls(LOG):
            self._names |= names_in(run.raw.get("triggeredBy"))
        self._checks += [runs_check(trial, left, interrupted=bool(code)), *checks_of(trial)]
        if LOG in trial.ids:
            # Only a person can open it: the console asks for a login.
            advice = "open it in a browser; if it shows no run, set console_url_template, and report the address"
            self._add("run's page", State.NOT_CHECKED, f"It should be {settings.run_url(trial.ids[LOG])}", advice)
        return code

    def _script_uri(self) -> str | None:
        """Upload the script, unless ``--script-uri`` names one."""
        uri: str | None = self._arguments.script_uri
        if uri is not None:
            self._add("upload", State.NOT_CHECKED, f"The script is not uploaded: --script-uri names {uri}")
            return uri
        try:
            uri = hook_of(self._arguments.conn).upload_file(Path(job.__file__))
        except Exception as error:
            # The hook's own errors name the remedy. Others may come from reading the file.
            advice = "or copy the script into S3 (--print-script), and name it with --script-uri"
            self._add("upload", State.FAILED, f"The script was not uploaded: {reason_of(error)}.", advice)
            return None
        self._add("upload", State.OK, f"The script was uploaded: {uri}")
        return uri

    def _carry_out(self, trial: Trial, settings: Settings) -> tuple[int, list[str]]:
        """Observe the runs, and end them in any case. Returns the exit code, and the ids of the runs that could not be
        ended.
        """
        code, named = 0, f"*-{trial.plan.suffix}"
        print_message(
            f"Creating three runs named {named}. Most of the time they wait for a runtime; 15 minutes at most"
        )
        with _signals_interrupt():
            try:
                with driver_of(settings) as driver:
                    driver.run(try_out(trial))
            except KeyboardInterrupt:
                code = INTERRUPTED
                print_message(
                    "Interrupted: cancelling the runs. Press Ctrl-C again to leave them to their timeoutSeconds"
                )
            except CommandFailedError as error:
                trial.failures[OBSERVING] = str(error)
                print_message(f"{error}: cancelling the runs")
            finally:
                # Also after any other error, which is raised afterwards.
                with driver_of(settings) as driver:
                    left = driver.run(end_runs(trial))
        return code, left


def _write(path: Path, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CommandFailedError(f"--report {str(path)!r}: cannot be written: {error.strerror}") from None


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt as Ctrl-C does, so that they end the runs too."""

    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    # An ignored signal stays ignored: `nohup` ignores SIGHUP.
    handled = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
