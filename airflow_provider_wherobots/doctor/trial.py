"""The doctor's three small runs: one prints, one is cancelled, one is left to its ``timeoutSeconds``.

The flow only makes the calls. A recording transport keeps the answers, and the findings are made from those. The log is
read by the provider's own reader, so what it forwards is what a task log would have.
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
from airflow_provider_wherobots.flows.effects import Effect, Flow, Forward, Note, Sleep, attempt, now, perform
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.runs_by_suffix import find_runs

T = TypeVar("T")

LOG, CANCEL, TIMEOUT = "log", "cancel", "timeout"
"""The roles of the runs."""
NAME = "airflow-doctor"

OUTAGE_SECONDS = 60.0
PROBE_LINES = 5
"""Lines per page while the cursor is examined: few, so that pages end between lines of different times."""
PROBE_PAGES = 3
END_PAGES = 500
SIZES = (5_000, 2_000, 1_000, 500, 100, 10)
"""Lines per page that are tried until one is accepted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and for how long.

    :param suffix: the end of the runs' names, after a dash; nothing else in the organisation may have it.
    :param uri: S3 address of the script.
    :param runtime: id of the runtime; default ``tiny``.
    :param region: compute region; default None, the organisation's.
    :param version: Wherobots version; default None, ``latest``.
    :param max_seconds: how long everything may take; then the runs are cancelled. Default 900.
    :param timeout_seconds: ``timeoutSeconds`` of the run that is left to it; default 30.
    :param late_seconds: how long lines are waited for after the end; default 90.
    :param list_seconds: how long a new run is waited for in List Runs; default 60.
    :param poll_seconds: seconds between two polls of a run; default 2.
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
        """The name of a run.

        :param role: its role.
        """
        return f"{NAME}-{role}-{self.suffix}"


@dataclass(slots=True)
class Trial:
    """The runs of one trial. It is complete at any time, so an interrupted trial can be ended.

    :param plan: what to run.
    :param ids: ids by role.
    :param creating: roles whose create was sent, and may have taken effect without an answer.
    :param ended: roles whose run has ended.
    :param failures: why there is no run, by role.
    :param forwarded: the lines that the provider's reader forwarded, by its own rules of when a log is complete.
    :param until: when the trial must end, in epoch seconds.
    """

    plan: Plan
    ids: dict[str, str] = field(default_factory=dict)
    creating: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    forwarded: list[str] = field(default_factory=list)
    until: float = 0.0


def try_out(trial: Trial) -> Flow[None]:
    """Create the three runs and observe them. Does not end them: see :func:`end_runs`.

    :param trial: filled while the flow runs.
    """
    plan = trial.plan
    trial.until = (yield from now()) + plan.max_seconds
    yield from _create_log_run(trial)
    if LOG not in trial.ids:
        return
    yield from _create(trial, CANCEL, ["sleep"], int(plan.max_seconds))
    yield from _create(trial, TIMEOUT, ["sleep"], plan.timeout_seconds)
    flows = [_observe_log_run(trial), _observe_lists(trial)]
    if CANCEL in trial.ids:
        flows.append(_observe_cancel(trial))
    if TIMEOUT in trial.ids:
        flows.append(_wait_for_end(trial, TIMEOUT))
    yield from together(*flows)
    # When is the cost known? The other runs took some time after the end of this one.
    yield from _look(calls.get_run_metrics(trial.ids[LOG]))


def end_runs(trial: Trial) -> Flow[list[str]]:
    """Cancel the runs that have not ended. Never raises.

    The run of a create without an answer is looked for by its name until List Runs shows it, for ``list_seconds``. If
    it is found, its role is no longer in ``creating``.

    :param trial: the trial, complete or interrupted.
    :returns: the ids of the runs that could not be cancelled.
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
    yield Note(logging.INFO, f"The create of {names} had no answer: its run is looked for, for up to {limit}")
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
    """List the runs whose create had no answer, with their roles."""
    try:
        runs = yield from find_runs(f"-{trial.plan.suffix}", urgent=True)
    except WherobotsApiError:
        return []
    return [(role, run) for role in sorted(trial.creating) for run in runs if run.name == trial.plan.name(role)]


def _create_log_run(trial: Trial) -> Flow[None]:
    seconds = int(trial.plan.max_seconds)
    try:
        yield from _create(trial, LOG, [LOG, *job.ARGUMENTS], seconds, may_refuse=True)
    except BadRequestError:
        # The service may refuse unusual arguments; the rest can be observed without them.
        yield from _create(trial, LOG, [LOG], seconds)


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
        run = yield from _status(trial, LOG)
        if run is not None and run.status != PENDING:
            yield from _captured(reader.keep_up(trial.until, plan.poll_seconds), trial.forwarded)
        if run is not None and run.is_terminal:
            break
        if (yield from now()) >= trial.until:
            return
        yield Sleep(plan.poll_seconds)
    ended_at = yield from now()
    yield from _look(calls.get_run_metrics(run_id))
    yield from _captured(reader.drain(60.0, trial.until, run.ended_ago), trial.forwarded)
    yield from _captured(reader.release(), trial.forwarded)
    yield from _wait_for_late_lines(trial, min(trial.until, ended_at + plan.late_seconds))
    yield from _examine_cursor(run_id)
    yield from _look(calls.cancel_run(run_id))


def _wait_for_late_lines(trial: Trial, until: float) -> Flow[None]:
    """Read on where the provider's reader has stopped, until all lines were seen."""
    lines, reader = list(trial.forwarded), LogForwarder(trial.ids[LOG])
    while not has_every_line(lines) and (yield from now()) < until:
        yield from _captured(reader.catch_up(until), lines)
        yield Sleep(trial.plan.poll_seconds)


def has_every_line(lines: Iterable[str]) -> bool:
    """Whether all numbered lines of the script are among the lines of a log.

    :param lines: the lines.
    """
    return len(set(numbers(lines, job.LINE))) == job.LINES and (
        len(set(numbers(lines, job.ERROR_LINE))) == job.ERROR_LINES
    )


def numbers(lines: Iterable[str], prefix: str) -> list[int]:
    """The numbers of the numbered lines, in order.

    :param lines: lines of a log.
    :param prefix: what the lines begin with.
    """
    found = (line.removeprefix(prefix).split(" ")[0] for line in lines if line.startswith(prefix))
    return [int(number) for number in found if number.isdecimal()]


def _examine_cursor(run_id: str) -> Flow[None]:
    """Read the complete log in short pages, then in the longest ones to its end."""
    cursor: str | int = LOG_START_CURSOR
    for _ in range(PROBE_PAGES):
        page = yield from _page(run_id, cursor, PROBE_LINES)
        if page is None or page.next_page is None:
            break
        cursor = page.next_page
    for size in SIZES:
        page = yield from _page(run_id, LOG_START_CURSOR, size)
        if page is not None:
            break
    else:
        return
    cursor = LOG_START_CURSOR
    for _ in range(END_PAGES):
        if page is None or page.next_page is None or str(page.next_page) == str(cursor):
            return
        cursor = page.next_page
        page = yield from _page(run_id, cursor, size)


def _page(run_id: str, cursor: str | int, size: int) -> Flow[LogPage | None]:
    try:
        return (yield from send(calls.get_run_logs(run_id, cursor, size), OUTAGE_SECONDS))
    except WherobotsApiError:
        return None


def _observe_lists(trial: Trial) -> Flow[None]:
    plan = trial.plan
    name, until = plan.name(LOG), (yield from now()) + plan.list_seconds
    yield from _list_until(name, {trial.ids[LOG]}, until, plan.poll_seconds)
    # A part of the name without its ends; then the pattern by which a run is found again.
    yield from _look(calls.list_runs(name=name[1:-1], size=100))
    yield from _list_until(f"*-{plan.suffix}", set(trial.ids.values()), until, plan.poll_seconds)
    yield from _look(calls.list_runs(size=100))


def _list_until(name: str, ids: set[str], until: float, poll_seconds: float) -> Flow[None]:
    """List runs, at least once, until all that are expected are there."""
    while True:
        page = yield from _look(calls.list_runs(name=name, size=100))
        if (page is not None and ids <= {run.id for run in page.items}) or (yield from now()) >= until:
            return
        yield Sleep(poll_seconds)


def _observe_cancel(trial: Trial) -> Flow[None]:
    run_id, plan = trial.ids[CANCEL], trial.plan
    run = None
    while run is None or run.status == PENDING:
        run = yield from _status(trial, CANCEL)
        if (run is not None and run.is_terminal) or (yield from now()) >= trial.until:
            return
        yield Sleep(plan.poll_seconds)
    try:
        yield from attempt(calls.cancel_run(run_id))
    except WherobotsApiError:
        return
    yield from _wait_for_end(trial, CANCEL)
    if CANCEL not in trial.ended:
        return
    until = min(trial.until, (yield from now()) + plan.late_seconds)
    while (yield from now()) < until:
        run = yield from _status(trial, CANCEL)
        if run is not None and run.kube_app.status in (None, "DESTROYED"):
            return
        yield Sleep(plan.poll_seconds)


def _wait_for_end(trial: Trial, role: str) -> Flow[None]:
    while (yield from now()) < trial.until:
        yield from _status(trial, role)
        if role in trial.ended:
            return
        yield Sleep(trial.plan.poll_seconds)


def _status(trial: Trial, role: str) -> Flow[Run | None]:
    """Poll a run; None if it is unknown for the moment, or the service is away."""
    try:
        run = yield from send(calls.get_run(trial.ids[role]), OUTAGE_SECONDS)
    except NotFoundError:
        # A new run may be unknown for a moment. For how long is seen in the transcript.
        return None
    except WherobotsApiError as error:
        if not error.transient:
            raise
        return None
    if run.is_terminal:
        trial.ended.add(role)
    return run


def _look(call: Call[T]) -> Flow[T | None]:
    """Send a call for its answer in the transcript. A failure is an answer too."""
    try:
        return (yield from attempt(call))
    except WherobotsApiError:
        return None


def _captured(flow: Flow[object], lines: list[str]) -> Flow[None]:
    """Run a flow; take the lines that it forwards, and drop what it says."""
    value: Any = None
    step: Callable[[Any], Effect[Any]] = flow.send
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return
        value, step = None, flow.send
        if isinstance(effect, Forward):
            lines.extend(record.text for record in effect.records)
        elif not isinstance(effect, Note):
            try:
                value = yield from perform(effect)
            except BaseException as error:
                value, step = error, flow.throw
