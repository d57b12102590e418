"""The statements of a task. All that can be checked before anything is sent is checked here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.session_request import is_session_id
from airflow_provider_wherobots.flows.sql.rule import Planned
from airflow_provider_wherobots.operators.wherobots_task import argument_errors
from airflow_provider_wherobots.sql.parameters import read_statements
from airflow_provider_wherobots.sql.reads import StatementKind, kind_of, returns_result

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.executes_sql import ExecutesSql


def plan(task: ExecutesSql) -> list[Planned]:
    """Make the statements of a task, once its arguments are rendered."""
    _warn_of_arguments_without_effect(task)
    with argument_errors(task.task_id):
        planned = _read(task)
        check_session_id(task.session_id, is_given=task.is_session_given)
    return planned


def _read(task: ExecutesSql) -> list[Planned]:
    texts = read_statements(task.sql, bool(task.split_statements), task.parameters)
    store, last, planned = task.checked_store(), len(texts) - 1, []
    for position, text in enumerate(texts):
        is_returned = store is None and task.fetches_results and (position == last or not task.returns_one)
        kind = kind_of(text)
        planned.append(
            Planned(
                position,
                text,
                kind is StatementKind.READ,
                kind is StatementKind.WRITE,
                wants_result=is_returned and returns_result(text),
                store=store if position == last else None,
                is_returned=is_returned,
            )
        )
    return planned


def check_session_id(session_id: object, *, is_given: bool) -> None:
    """Raise an ``InvalidArgumentError`` if an id was given, but is empty or None once rendered."""
    # Jinja renders "None" if a task has returned nothing.
    if is_given and session_id in (None, "", "None"):
        raise InvalidArgumentError(
            f"session_id={session_id!r}: the task that should have started the SQL session has returned no id"
        )
    if is_given and not is_session_id(session_id.strip() if isinstance(session_id, str) else session_id):
        raise InvalidArgumentError(f"session_id={session_id!r}: must be the id of a SQL session")


def _warn_of_arguments_without_effect(task: ExecutesSql) -> None:
    if task.database:
        task.log.warning(
            "database=%r has no effect: connections share their session, so it has no current database. Name it in "
            "the statement, such as catalog.database.table",
            task.database,
        )
    if task.hook_params:
        names = ", ".join(map(str, task.hook_params))
        task.log.warning("hook_params (%s) has no effect: the task has arguments for all of it", names)
