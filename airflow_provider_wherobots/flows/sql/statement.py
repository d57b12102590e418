"""A statement: executing it, following it to its end, attaching to it from elsewhere, and cancelling it.

A statement is sent once. If its connection is lost, the flow opens another one and attaches to the execution. Only a
statement of which certainly nothing was written is sent again.
"""

from __future__ import annotations

from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS, cancel
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.execution import StatementExecution
from airflow_provider_wherobots.flows.sql.machine import (
    Attachment,
    Contact,
    Do,
    Execution,
    Fetching,
    Running,
    Sending,
    Step,
)
from airflow_provider_wherobots.flows.sql.options import Statement, StatementOptions
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState

__all__ = [
    "CANCEL_BUDGET_SECONDS",
    "Statement",
    "StatementOptions",
    "StatementOutcome",
    "StatementState",
    "attach",
    "cancel",
    "connect",
    "execute",
    "fetch",
]


def execute(statement: Statement, options: StatementOptions) -> Flow[StatementOutcome]:
    """Execute a statement on the open WebSocket, and follow it to its end. Its id must be new. Failures of the
    connection are outcomes too; with ``hand_over_after`` the outcome may be ``RUNNING``.
    """
    wants_result = statement.wants_result and statement.store is None
    begun = Execution(statement.execution_id, wants_result, Sending(options.hand_over_after))
    return (yield from StatementExecution(statement, options).run(Step(begun, Do.SEND)))


def attach(
    execution_id: str, options: StatementOptions, *, geometry: str = "ewkt", wants_result: bool = True
) -> Flow[StatementOutcome]:
    """Follow an execution that another connection has begun. Never executes anything. Opens a WebSocket to
    ``options.url`` if none is open. ``was_running`` of the outcome means that it had not ended before.
    """
    statement = Statement(execution_id, "", geometry=geometry, wants_result=wants_result)
    begun = Execution(execution_id, wants_result, Running(), Contact(Attachment.ASKING, 0.0, 0.0))
    return (yield from StatementExecution(statement, options).run(Step(begun, Do.ASK)))


def fetch(execution_id: str, options: StatementOptions, *, geometry: str = "ewkt") -> Flow[StatementOutcome]:
    """Fetch the result of an execution that is known to have succeeded, such as one that a trigger has followed. Opens
    a WebSocket to ``options.url`` if none is open. The outcome is ``SUCCEEDED`` with the result, or ``GAVE_UP``.
    """
    begun = Execution(execution_id, True, Fetching(0.0, 1, 1))
    statement = Statement(execution_id, "", geometry=geometry)
    return (yield from StatementExecution(statement, options).run(Step(begun, Do.ASK)))
