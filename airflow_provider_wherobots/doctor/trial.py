"""The doctor's three small runs: one prints, one is cancelled, one reaches its ``timeoutSeconds``.

The flow keeps each call with its response. ``read_runs`` and ``read_log`` read them. The provider's own reader reads
the log, so it forwards the lines that a task log would have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, BadRequestError, NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, PENDING, LogPage, Run
from airflow_provider_wherobots.api.runs.payload import build_payload
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.together import together
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.effects import Effect, Flow, Forward, Note, Send, Sleep, attempt, now, perform
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.flows.list_runs import find_runs
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.logs.records import LogRecord

T = TypeVar("T")

LOG, CANCEL, TIMEOUT = "log", "cancel", "timeout"
"""The roles of the runs."""
NAME = "airflow-doctor"

OUTAGE_SECONDS = 60.0
DRAIN_SECONDS = 60.0
"""The default of ``wait_post_run_logs_timeout_seconds``."""
PROBE_LINES, PROBE_PAGES = 5, 3
"""Lines per page while the cursor is examined: few, so that pages end between lines of different times."""
END_PAGES = 500
SIZES = (5_000, 2_000, 1_000, 500, 100, 10)
"""Lines per page that are tried until one is accepted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and for how long, in seconds. ``suffix`` ends the runs' names, and is unique in the organization.
    After ``max_seconds`` in all the runs are cancelled. ``timeout_seconds`` is the ``timeoutSeconds`` of the run that
    reaches it.
    """

    suffix: str
    uri: str
    runtime: str = "tiny"
    region: str | None = None
    version: str | None = None
    max_seconds: float = 900.0
    timeout_seconds: int = 30
    late_seconds: float = 90.0
    list_seconds: float = 60.0
    poll_seconds: float = 2.0

    def name(self, role: str) -> str:
        """The name of a run."""
        return f"{NAME}-{role}-{self.suffix}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its response, a model or the error. Times are epoch seconds of this machine."""

    call: Call[Any]
    at: float
    ended_at: float
    response: Any

    def param(self, name: str) -> str | None:
        """The value of a query parameter, or None."""
        return dict(self.call.params).get(name)


@dataclass(slots=True)
class Trial:
    """The runs of one trial, by role. It is complete at any time, so an interrupted trial can be ended. ``creating``
    has the roles whose create may have taken effect without a response; ``until`` is in epoch seconds.
    """

    plan: Plan
    ids: dict[str, str] = field(default_factory=dict)
    creating: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    forwarded: list[LogRecord] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    until: float = 0.0

    def of(self, operation: str, role: str | None = None) -> list[Exchange]:
        """The calls of an operation, for one run or for all."""
        run_id = None if role is None else self.ids.get(role, "")
        return [
            exchange
            for exchange in self.exchanges
            if exchange.call.operation == operation
            and (run_id is None or exchange.call.path.split("/")[2:3] == [run_id])
        ]

    def succeeded(self, operation: str, model: type[T], role: str | None = None) -> list[tuple[Exchange, T]]:
        """The calls of an operation that succeeded, with their models."""
        found = self.of(operation, role)
        return [(exchange, exchange.response) for exchange in found if isinstance(exchange.response, model)]

    def create(self) -> Exchange | None:
        """The create of the printing run, if it succeeded."""
        created = self.succeeded("createJobRun", Run)
        return created[0][0] if LOG in self.ids and created else None

    def polls(self, role: str) -> list[tuple[Exchange, Run]]:
        """The polls of a run that succeeded."""
        return self.succeeded("getJobRun", Run, role)

    def end(self, role: str) -> tuple[Exchange, Run] | None:
        """The first poll that saw the run's end."""
        return next(((exchange, run) for exchange, run in self.polls(role) if run.is_terminal), None)

    def pages(self) -> list[tuple[Exchange, LogPage]]:
        """The pages of the printing run's log."""
        return self.succeeded("getJobRunLogs", LogPage, LOG)

    def lines(self) -> list[str]:
        """The lines of all pages."""
        return [line for _, page in self.pages() for _, line in page.lines]

    def has_every_line(self) -> bool:
        """Whether the pages have every numbered line."""
        lines = self.lines()
        return all(len(set(numbers(lines, prefix))) == count for prefix, count in printed())


def printed() -> tuple[tuple[str, int], ...]:
    """The prefix of the numbered lines and their number, on standard output and on standard error."""
    return (job.LINE, job.LINES), (job.ERROR_LINE, job.ERROR_LINES)


def numbers(lines: Iterable[str], prefix: str) -> list[int]:
    """The numbers of the numbered lines, in order."""
    found = (line.removeprefix(prefix) for line in lines if line.startswith(prefix))
    return [int(number) for number in found if number.isdecimal()]


def try_out(trial: Trial) -> Flow[None]:
    """Create the three runs and observe them. :func:`end_runs` ends them."""

    def keep(effect: Effect[Any]) -> Flow[Any]:
        if isinstance(effect, Forward):
            trial.forwarded.extend(effect.records)
            return None
        if not isinstance(effect, Send):
            return (yield from perform(effect))
        at = yield from now()
        try:
            response = yield from perform(effect)
        except WherobotsApiError as error:
            trial.exchanges.append(Exchange(effect.call, at, (yield from now()), error))
            raise
        trial.exchanges.append(Exchange(effect.call, at, (yield from now()), response))
        return response

    trial.until = (yield from now()) + trial.plan.max_seconds
    yield from together([_create_runs(trial)], keep)
    if LOG not in trial.ids:
        return
    flows: list[Flow[Any]] = [_observe_log_run(trial), _observe_lists(trial)]
    if CANCEL in trial.ids:
        flows.append(_observe_cancel(trial))
    if TIMEOUT in trial.ids:
        flows.append(_poll_until(trial, TIMEOUT))
    yield from together(flows, keep)


def end_runs(trial: Trial) -> Flow[list[str]]:
    """Cancel the runs that have not ended, and return the ids of the runs that could not be cancelled. Never raises.

    The run of a create without a response is looked up by its name for ``list_seconds``. If it is found, its role is
    no longer in ``creating``.
    """
    left = []
    for role, run_id in trial.ids.items():
        if role not in trial.ended and not (yield from cancel_run(run_id)):
            left.append(run_id)
    if not trial.creating:
        return left
    plan = trial.plan
    until = (yield from now()) + plan.list_seconds
    names = ", ".join(map(plan.name, sorted(trial.creating)))
    limit = words.duration(plan.list_seconds)
    yield Note(logging.INFO, f"The create of {names} had no response. Looking for its run for up to {limit}")
    while True:
        for role, run in (yield from _find_created(trial)):
            trial.creating.discard(role)
            trial.ids[role] = run.id
            if run.is_terminal:
                trial.ended.add(role)
            elif not (yield from cancel_run(run.id)):
                left.append(run.id)
        if not trial.creating or (yield from now()) >= until:
            return left
        yield Sleep(plan.poll_seconds)


def _find_created(trial: Trial) -> Flow[list[tuple[str, Run]]]:
    """List the runs whose create had no response, with their roles."""
    try:
        runs = yield from find_runs(f"-{trial.plan.suffix}", urgent=True)
    except WherobotsApiError:
        return []
    return [(role, run) for role in sorted(trial.creating) for run in runs if run.name == trial.plan.name(role)]


def _create_runs(trial: Trial) -> Flow[None]:
    seconds = int(trial.plan.max_seconds)
    try:
        yield from _create(trial, LOG, [LOG, *job.ARGUMENTS], seconds, may_refuse=True)
    except BadRequestError:
        # The service may refuse unusual arguments. The other questions do not need them.
        yield from _create(trial, LOG, [LOG], seconds)
    if LOG in trial.ids:
        yield from _create(trial, CANCEL, ["sleep"], seconds)
        yield from _create(trial, TIMEOUT, ["sleep"], trial.plan.timeout_seconds)


def _create(trial: Trial, role: str, args: list[str], seconds: int, *, may_refuse: bool = False) -> Flow[None]:
    plan = trial.plan
    payload = build_payload(
        name=plan.name(role),
        run_python={"uri": plan.uri, "args": args},
        runtime=plan.runtime,
        version=plan.version,
        timeout_seconds=seconds,
    )
    trial.creating.add(role)
    try:
        run = yield from send(calls.create_run(payload, plan.region), OUTAGE_SECONDS)
    except WherobotsApiError as error:
        if error.arrival is not Arrival.UNCLEAR:
            trial.creating.discard(role)
        if may_refuse and isinstance(error, BadRequestError):
            raise
        trial.failures[role] = str(error)
        return
    trial.ids[role] = run.id
    trial.creating.discard(role)


def _observe_log_run(trial: Trial) -> Flow[None]:
    run_id, plan = trial.ids[LOG], trial.plan
    reader = LogForwarder(run_id)
    while True:
        run = yield from _poll(trial, LOG)
        if run is not None and run.status != PENDING:
            yield from reader.keep_up(trial.until, plan.poll_seconds)
        if run is not None and run.is_terminal:
            break
        if (yield from now()) >= trial.until:
            return
        yield Sleep(plan.poll_seconds)
    until = min(trial.until, (yield from now()) + plan.late_seconds)
    yield from _try(calls.get_run_metrics(run_id))
    yield from reader.drain(DRAIN_SECONDS, trial.until, run.ended_ago)
    yield from _read_short_pages(run_id)
    yield from _read_long_pages(run_id)
    # The provider's reader has stopped. Lines may come later.
    while not trial.has_every_line() and (yield from now()) < until:
        yield Sleep(plan.poll_seconds)
        yield from _read_long_pages(run_id)


def _read_short_pages(run_id: str) -> Flow[None]:
    cursor: str | int | None = LOG_START_CURSOR
    for _ in range(PROBE_PAGES):
        if cursor is None:
            return
        page = yield from _try(calls.get_run_logs(run_id, cursor, PROBE_LINES))
        cursor = None if page is None else page.next_page


def _read_long_pages(run_id: str) -> Flow[None]:
    """Read the log from its start to its end, in the longest pages that the service accepts."""
    for size in SIZES:
        page = yield from _try(calls.get_run_logs(run_id, LOG_START_CURSOR, size))
        if page is not None:
            break
    cursor: str | int = LOG_START_CURSOR
    for _ in range(END_PAGES):
        if page is None or page.next_page is None or str(page.next_page) == str(cursor):
            return
        cursor = page.next_page
        page = yield from _try(calls.get_run_logs(run_id, cursor, size))


def _observe_lists(trial: Trial) -> Flow[None]:
    until = (yield from now()) + trial.plan.list_seconds
    # By the whole name, and by the pattern with which a retry finds its run.
    yield from _list_until(trial, trial.plan.name(LOG), {trial.ids[LOG]}, until)
    yield from _list_until(trial, f"*-{trial.plan.suffix}", set(trial.ids.values()), until)


def _list_until(trial: Trial, name: str, ids: set[str], until: float) -> Flow[None]:
    """List runs, at least once, until the list has all expected ids."""
    while True:
        page = yield from _try(calls.list_runs(name=name, size=100))
        if (page is not None and ids <= {run.id for run in page.items}) or (yield from now()) >= until:
            return
        yield Sleep(trial.plan.poll_seconds)


def _observe_cancel(trial: Trial) -> Flow[None]:
    run = yield from _poll_until(trial, CANCEL, lambda run: run.status != PENDING)
    if run is not None and not run.is_terminal:
        yield from _try(calls.cancel_run(trial.ids[CANCEL]))
        yield from _poll_until(trial, CANCEL)


def _poll_until(trial: Trial, role: str, is_enough: Callable[[Run], bool] = lambda run: False) -> Flow[Run | None]:
    """Poll a run until it has ended or ``is_enough``. None if the trial's time is over."""
    while (yield from now()) < trial.until:
        run = yield from _poll(trial, role)
        if run is not None and (run.is_terminal or is_enough(run)):
            return run
        yield Sleep(trial.plan.poll_seconds)
    return None


def _poll(trial: Trial, role: str) -> Flow[Run | None]:
    """Poll a run; None if the run is unknown for the moment, or the service does not respond."""
    try:
        run = yield from send(calls.get_run(trial.ids[role]), OUTAGE_SECONDS)
    except WherobotsApiError as error:
        # A new run may be unknown for a moment.
        if error.transient or isinstance(error, NotFoundError):
            return None
        raise
    if run.is_terminal:
        trial.ended.add(role)
    return run


def _try(call: Call[T]) -> Flow[T | None]:
    """Send a call once. ``try_out`` records a failure too."""
    try:
        return (yield from attempt(call))
    except WherobotsApiError:
        return None
