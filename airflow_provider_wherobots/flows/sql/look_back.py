"""What became of the statements that earlier tries of a task have sent, as far as the session knows.

A worker can die at any moment. Its session cancels what it executed after a grace period, or the statement ends within
it. So a retry asks about the executions of the tries before it, and repeats no write that has succeeded, unless it may
be repeated (``sql/repeatable.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, attach

UNCLEAR = (StatementState.UNKNOWN, StatementState.CANCELLED)
SUCCESSES = (StatementState.SUCCEEDED, StatementState.GAVE_UP)
"""A statement that was attached to gives up only on its result."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement of a task.

    :param text: the SQL text.
    :param may_repeat: whether it may be executed although it may have been executed before.
    :param wants_result: whether its result is fetched; default True.
    :param store: where its result goes; default None.
    """

    text: str = field(repr=False)
    may_repeat: bool
    wants_result: bool = True
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What earlier tries leave to do.

    :param outcomes: of the first statements, which are not executed again. One that has not succeeded, or whose result
        is lost, is for the task to fail with.
    :param in_doubt: index of a statement that must not be executed, as an earlier try may have done it; None if there
        is none.
    """

    outcomes: tuple[StatementOutcome, ...] = ()
    in_doubt: int | None = None


def look_back(
    statements: Sequence[Planned],
    ids: ExecutionIds,
    tries: Sequence[int],
    options: StatementOptions,
    *,
    geometry: str = "ewkt",
    is_settled: bool | None,
) -> Flow[Found]:
    """Ask about the statements in order, up to the first that has not succeeded. One that still runs is followed.

    A finished statement that may be repeated is executed again, unless a write after it has succeeded: a task that
    fails because of what it has read reads again. One that the session has forgotten says nothing about those after it:
    they are asked about too.

    :param statements: the task's statements.
    :param ids: the ids of their executions.
    :param tries: numbers of the tries to ask about, newest first.
    :param options: how a running statement is followed; a WebSocket is open.
    :param geometry: how geometries are written; default ``ewkt``.
    :param is_settled: whether the previous try knew the outcome of all that it had sent; None if that is not known.
    """
    outcomes: list[StatementOutcome] = []
    kept = 0
    for index, statement in enumerate(statements):
        outcome = yield from _ask(index, statement, ids, tries, options, geometry)
        outcomes.append(outcome)
        if outcome.was_running or outcome.state is StatementState.DEADLINE or _has_written(statement, outcome):
            kept = index + 1
        if outcome.state in SUCCESSES:
            continue
        if outcome.was_running or outcome.state not in UNCLEAR or is_settled is True:
            break
        if not statement.may_repeat:
            return Found(_presumed(outcomes[:kept], statements), index)
        if outcome.is_cancelled:
            # No try goes on after that.
            break
    return Found(_presumed(outcomes[:kept], statements))


def _has_written(statement: Planned, outcome: StatementOutcome) -> bool:
    return outcome.state in SUCCESSES and not statement.may_repeat


def _presumed(outcomes: Sequence[StatementOutcome], statements: Sequence[Planned]) -> tuple[StatementOutcome, ...]:
    """The outcomes; statements that are forgotten have succeeded if a write after them has been sent."""
    return tuple(
        outcome
        if outcome.state is not StatementState.UNKNOWN or index == len(outcomes) - 1
        else _forgotten(outcome, statement)
        for index, (outcome, statement) in enumerate(zip(outcomes, statements, strict=False))
    )


def _forgotten(outcome: StatementOutcome, statement: Planned) -> StatementOutcome:
    if not statement.wants_result:
        return replace(outcome, state=StatementState.SUCCEEDED)
    why = "it succeeded, as a later one was sent, but the session no longer knows it, so its result cannot be fetched"
    return replace(outcome, state=StatementState.GAVE_UP, message=why)


def _ask(
    index: int,
    statement: Planned,
    ids: ExecutionIds,
    tries: Sequence[int],
    options: StatementOptions,
    geometry: str,
) -> Flow[StatementOutcome]:
    """The outcome of the newest execution that the session knows."""
    outcome = StatementOutcome(StatementState.UNKNOWN, "")
    for number in tries:
        execution_id = ids.of(number, index, statement.text, statement.store)
        outcome = yield from attach(execution_id, options, geometry=geometry, wants_result=statement.wants_result)
        if outcome.was_running or outcome.is_cancelled or outcome.state is not StatementState.UNKNOWN:
            break
    return outcome
