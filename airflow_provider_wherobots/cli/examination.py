"""What ``doctor`` does: the checks, the runs, and what is printed and written about them."""

from __future__ import annotations

import argparse
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import ProxySettingError, WherobotsApiError
from airflow_provider_wherobots.api.transports.environment import proxy_for
from airflow_provider_wherobots.cli.errors import INTERRUPTED, CommandFailedError
from airflow_provider_wherobots.cli.installation import check_triggerer, check_versions
from airflow_provider_wherobots.cli.output import emit, print_document, print_rows, say
from airflow_provider_wherobots.cli.recording import RecordingTransport
from airflow_provider_wherobots.cli.service import hook_of, read_settings
from airflow_provider_wherobots.cli.sql_trial import NAME as SQL
from airflow_provider_wherobots.cli.sql_trial import check_sql
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.list_findings import list_findings
from airflow_provider_wherobots.doctor.log_findings import log_findings
from airflow_provider_wherobots.doctor.redaction import Redactor, names_in, names_of_host
from airflow_provider_wherobots.doctor.report import as_data, as_markdown, conclusion, redacted
from airflow_provider_wherobots.doctor.run_findings import run_findings
from airflow_provider_wherobots.doctor.service import ask_service, service_checks
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import LOG, Plan, Trial, end_runs, try_out
from airflow_provider_wherobots.doctor.verdicts import Check, Finding, State
from airflow_provider_wherobots.drivers.base import Outlets
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Reloaded
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.hooks.wherobots import MASKED_KEY

OBSERVING = "observing"
"""Names why the runs were not observed to their end, among the failures."""


def print_script() -> int:
    """Print the script of the runs."""
    emit(Path(job.__file__).read_text(encoding="utf-8").rstrip("\n"))
    return 0


class Examination:
    """One run of the doctor.

    :param arguments: as parsed.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._checks: list[Check] = []
        self._findings: list[Finding] = []
        self._secrets: set[str] = set()
        self._names: set[str] = set()

    def examine(self) -> int:
        """Check everything that can be checked.

        :returns: an exit code: 130 if the runs or the SQL session were interrupted, else 0.
        :raises CommandFailedError: when the report could not be written afterwards.
        """
        if self._arguments.report is not None:
            _write(self._arguments.report, "", "a")
        self._checks.append(check_versions())
        settings = self._connection()
        code, arguments = 0, self._arguments
        if settings is not None:
            is_fine = self._service(settings)
            if arguments.sql and is_fine:
                code = self._sql(settings)
            elif arguments.sql:
                self._checks.append(Check(SQL, State.NOT_CHECKED, "No session was started: the checks above failed."))
            if arguments.run and is_fine and not code:
                code = self._trial(settings)
            elif arguments.run:
                self._checks.append(
                    Check("runs", State.NOT_CHECKED, "No run was created, because the checks above failed.")
                )
        self._checks.append(check_triggerer())
        return code

    def show(self) -> bool:
        """Print the result, and write the report.

        :returns: whether something failed.
        :raises CommandFailedError: when the report cannot be written.
        """
        redactor = Redactor(self._secrets, self._names)
        checks, findings = redacted(self._checks, self._findings, redactor.hide_secrets)
        data = as_data(checks, findings)
        if self._arguments.output in ("json", "yaml"):
            print_document(data, self._arguments.output)
        else:
            print_rows(data["checks"], self._arguments.output, ("name", "state", "text", "advice"))
            if findings:
                print_rows(data["findings"], self._arguments.output, ("verdict", "question", "answer"))
            emit(conclusion(checks, findings))
        if self._arguments.report is not None:
            self._write_report(self._arguments.report, redactor)
        return bool(data["failed"])

    def _write_report(self, path: Path, redactor: Redactor) -> None:
        checks, findings = redacted(self._checks, self._findings, redactor.hide_all)
        text = redactor.hide_secrets(as_markdown(checks, findings, words.moment(time.time())))
        _write(path, text, "w")
        say(f"The report is in {path}")

    def _connection(self) -> Settings | None:
        name, conn_id = "connection", self._arguments.conn
        advice = "see the page Connection of the documentation"
        try:
            settings = read_settings(conn_id)
        except CommandFailedError as error:
            self._checks.append(Check(name, State.FAILED, f"{error}.", advice))
            return None
        if settings.endpoint.api_key == MASKED_KEY:
            text = f"{conn_id!r} has *** in place of the key: it was copied from where Airflow hides secrets."
            self._checks.append(Check(name, State.FAILED, text, "put the key itself into the connection's password"))
            return None
        self._secrets.add(settings.endpoint.api_key)
        self._names |= names_of_host(settings.endpoint.base_url)
        self._checks.append(Check(name, State.OK, f"{conn_id!r} was found, for {settings.endpoint.base_url}."))
        return settings

    def _service(self, settings: Settings) -> bool:
        """Ask the service about itself.

        :returns: whether runs may be created.
        """
        proxy = self._proxy(settings)
        if proxy is not None:
            self._names |= names_of_host(proxy)
        exchanges: list[Exchange] = []
        with _driver(settings, exchanges) as driver:
            asked = driver.run(ask_service())
        for document in (asked.organization, asked.storage, asked.me):
            self._names |= names_in(document)
        checks = service_checks(asked, Transcript(exchanges), settings, proxy)
        self._checks += checks
        return asked.refused is None and all(check.state is not State.FAILED for check in self._checks)

    def _proxy(self, settings: Settings) -> str | None:
        """Address of the proxy in use; None for a direct connection, and for a proxy that cannot be used."""
        try:
            proxy = proxy_for("listJobRuns", settings.endpoint.base_url)
        except ProxySettingError as error:
            self._checks.append(Check("proxy", State.FAILED, f"{error}.", "correct the variable"))
            return None
        if proxy is None:
            self._checks.append(Check("proxy", State.OK, "None is used."))
            return None
        self._secrets.update(proxy.headers.values())
        self._checks.append(Check("proxy", State.OK, f"{proxy.url} is used."))
        return proxy.url

    def _sql(self, settings: Settings) -> int:
        arguments = self._arguments
        try:
            with _signals_interrupt():
                self._checks.append(check_sql(settings, arguments.conn, arguments.runtime, arguments.region))
        except KeyboardInterrupt:
            self._checks.append(Check(SQL, State.WARNING, "Interrupted; its session is stopped.", "repeat the command"))
            return INTERRUPTED
        return 0

    def _trial(self, settings: Settings) -> int:
        uri = self._script_uri()
        if uri is None:
            return 0
        arguments = self._arguments
        plan = Plan(
            secrets.token_hex(6),
            uri,
            runtime=arguments.runtime,
            region=arguments.region or settings.region,
            version=settings.version,
        )
        trial, exchanges = Trial(plan), list[Exchange]()
        code, left = _carry_out(trial, settings, exchanges)
        for exchange in exchanges:
            if isinstance(exchange.document, dict):
                self._names |= names_in(exchange.document.get("triggeredBy"))
        transcript = Transcript(exchanges)
        # In the order of the questions that matter most: runs, then lists, then logs.
        self._findings = [
            *run_findings(transcript, trial),
            *list_findings(transcript, trial),
            *log_findings(transcript, trial),
        ]
        self._checks += [_ended(trial, left, interrupted=bool(code)), *_pages(trial, settings)]
        return code

    def _script_uri(self) -> str | None:
        """Upload the script, unless ``--script-uri`` names one."""
        if self._arguments.script_uri is not None:
            uri: str = self._arguments.script_uri
            self._names.add(urlsplit(uri).netloc)
            self._checks.append(Check("upload", State.NOT_CHECKED, f"There is a script already: {uri}"))
            return uri
        try:
            uri = hook_of(self._arguments.conn).upload_file(Path(job.__file__))
        except Exception as error:
            # Its own errors say what to do; any other may come from reading the file.
            advice = "or copy the script into S3 (--print-script), and name it with --script-uri"
            self._checks.append(
                Check("upload", State.FAILED, f"The script was not uploaded: {reason_of(error)}.", advice)
            )
            return None
        self._names.add(urlsplit(uri).netloc)
        self._checks.append(Check("upload", State.OK, f"The script was uploaded: {uri}"))
        return uri


def _write(path: Path, text: str, mode: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CommandFailedError(f"--report {str(path)!r}: cannot be written: {error.strerror}") from None


def _ended(trial: Trial, left: Sequence[str], *, interrupted: bool) -> Check:
    """Whether the runs were created, and have ended."""
    plan, name, named = trial.plan, "runs", f"*-{trial.plan.suffix}"
    cancelled = [run_id for role, run_id in trial.ids.items() if role not in trial.ended and run_id not in left]
    if left or trial.creating:
        said = [f"{', '.join(left)} may still be active."] if left else []
        if trial.creating:
            names, limit = " and ".join(map(plan.name, sorted(trial.creating))), words.duration(plan.list_seconds)
            why = "; ".join(trial.failures.get(role, "interrupted") for role in sorted(trial.creating))
            said.append(
                f"A run named {names} may exist: its create had no answer ({why}), and no list showed it in {limit}."
            )
        if cancelled:
            said.append(f"Cancelled: {', '.join(cancelled)}.")
        advice = f"find active ones with runs list --name '{named}', and cancel them with runs cancel RUN_ID --yes"
        return Check(name, State.FAILED if left else State.WARNING, " ".join(said), advice)
    if interrupted:
        what = f"the runs were cancelled: {', '.join(cancelled)}" if cancelled else "no run was left to cancel"
        return Check(name, State.WARNING, f"Interrupted; {what}.", "repeat the command")
    if not trial.ids:
        text = f"No run could be created ({'; '.join(trial.failures.values())})."
        return Check(name, State.FAILED, text, "read the service's words")
    cut = [role for role in trial.ids if role not in trial.ended]
    if cut:
        why = trial.failures.get(OBSERVING, "they took too long")
        return Check(name, State.FAILED, f"{len(cut)} runs were cancelled before they had ended ({why}).", "repeat it")
    return Check(name, State.OK, f"{len(trial.ids)} runs named {named} were created, and all have ended.")


def _pages(trial: Trial, settings: Settings) -> list[Check]:
    """The address of a run's page, which only a person can open: the console asks for a login."""
    if LOG not in trial.ids:
        return []
    url = settings.run_url(trial.ids[LOG])
    advice = (
        "open it in a browser; if it shows no run, set console_url_template in the connection, and tell us the address"
    )
    return [Check("run's page", State.NOT_CHECKED, f"It should be {url}", advice)]


def _carry_out(trial: Trial, settings: Settings, exchanges: list[Exchange]) -> tuple[int, list[str]]:
    """Run the trial and end its runs, whatever happens.

    :returns: the exit code, and the ids of the runs that could not be ended.
    """
    plan, code = trial.plan, 0
    say(f"Three runs named *-{plan.suffix} are created. Most of the time they wait for a runtime; 15 minutes at most")
    with _signals_interrupt():
        try:
            with _driver(settings, exchanges) as driver:
                driver.run(try_out(trial))
        except KeyboardInterrupt:
            code = INTERRUPTED
            say("Interrupted: the runs are cancelled. Press Ctrl-C again to leave them to their timeoutSeconds")
        except WherobotsApiError as error:
            trial.failures[OBSERVING] = str(error)
            say(f"{error}: the runs are cancelled")
        finally:
            # Also for any other error, which goes on afterwards.
            with _driver(settings, []) as driver:
                left = driver.run(end_runs(trial))
    return code, left


@contextmanager
def _driver(settings: Settings, exchanges: list[Exchange]) -> Iterator[SyncDriver]:
    transport = RecordingTransport(settings.endpoint, exchanges)
    outlets: Outlets[Reloaded, None] = Outlets(
        lambda level, text: say(text), lambda record: None, lambda: Reloaded(False, "the connection")
    )
    try:
        yield SyncDriver(transport, outlets)
    finally:
        transport.close()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, interrupt as Ctrl-C does, so that they end the runs too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    # One that is ignored stays ignored: under `nohup` the end of the terminal ends nothing.
    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
