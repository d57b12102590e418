"""The arguments of a task that describe its run, and their rules, which a DAG file is checked by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.runs.payload import build_payload, checked_region
from airflow_provider_wherobots.api.storage.address import checked_upload_to
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.flows.run_name import default_run_name

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.run import WherobotsRunOperator


def check_arguments(task: WherobotsRunOperator) -> None:
    """Check the arguments of a task that are known when the DAG is parsed.

    :param task: the task.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    name = task.name if task.name is not None else default_run_name("dag", task.task_id)
    checked_payload(task, name, is_unrendered=is_unrendered)


def checked_payload(
    task: WherobotsRunOperator, name: str, is_unrendered: Callable[[Any], bool] = lambda value: False
) -> dict[str, Any]:
    """Check a task's arguments and put them into a create body.

    :param task: the task. Its region is checked too, but is a query parameter and not in the body.
    :param name: the run's name.
    :param is_unrendered: whether a value is not rendered yet. Such values are not checked. Default: every value is
        checked.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    with naming(task.task_id):
        if task.upload_to is not None and not is_unrendered(task.upload_to):
            checked_upload_to("upload_to", task.upload_to)
        task.region = checked_region(task.region, is_unrendered)
        return build_payload(
            name=name,
            run_python=task.run_python,
            run_jar=task.run_jar,
            runtime=task.runtime,
            version=task.version,
            timeout_seconds=task.timeout_seconds,
            environment=task.environment,
            is_unrendered=is_unrendered,
        )


@contextmanager
def naming(task_id: str) -> Iterator[None]:
    """Name the task in the errors of what knows no task.

    :param task_id: the task's id.
    :returns: a context in which an ``InvalidArgumentError`` becomes a ``WherobotsArgumentException``.
    """
    try:
        yield
    except InvalidArgumentError as error:
        raise WherobotsArgumentException(f"{task_id}: {error}") from None


def is_unrendered(value: Any) -> bool:
    """Whether a value must still be rendered: a template, or the output of another task.

    :param value: the value.
    """
    if isinstance(value, str):
        return any(opening in value for opening in ("{{", "{%", "{#"))
    return hasattr(value, "iter_references")
