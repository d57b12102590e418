"""The body of ``POST /runs``, built from a task's arguments, the connection's defaults and the run's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.runs.files import with_values
from airflow_provider_wherobots.api.runs.payload import build_payload, checked_region
from airflow_provider_wherobots.api.storage.address import checked_upload_to
from airflow_provider_wherobots.compat import AirflowException
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.files.local_file import open_file
from airflow_provider_wherobots.flows.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.flows.upload import FileUploads
from airflow_provider_wherobots.operators.local_files import find_sources
from airflow_provider_wherobots.operators.openlineage import SparkLineage, without_secrets

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.hooks.wherobots import WherobotsHook


class RunTask(Protocol):
    """The arguments of a task that describe its run; see ``WherobotsRunOperator``."""

    task_id: str
    name: str | None
    run_python: Any
    run_jar: Any
    runtime: Any
    region: Any
    version: Any
    environment: Any
    timeout_seconds: Any
    durable: bool
    execution_timeout: timedelta | None
    upload_to: Any
    max_outage_seconds: float

    @property
    def lineage(self) -> SparkLineage:
        """OpenLineage's properties for the run."""

    @property
    def hook(self) -> WherobotsHook:
        """The hook of the task's connection."""


def check_arguments(task: RunTask) -> None:
    """Check the arguments of a task that are known when the DAG is parsed.

    :param task: the task.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    name = task.name if task.name is not None else default_run_name("dag", task.task_id)
    _checked_payload(task, name, is_unrendered=is_unrendered)


def payload_to_send(task: RunTask, context: Context) -> dict[str, Any]:
    """Build the body after all arguments are rendered.

    :param task: the task. Its region is checked too, but is a query parameter and not in the body.
    :param context: the task's context.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    settings, ti = task.hook.settings, context["ti"]
    name = task.name if task.name is not None else default_run_name(ti.dag_id, ti.task_id)
    payload = _checked_payload(task, name)
    for key, default in (("runtime", settings.runtime), ("version", settings.version)):
        if default is not None:
            payload.setdefault(key, default)
    if task.execution_timeout is not None:
        payload.setdefault("timeoutSeconds", max(1, ceil(task.execution_timeout.total_seconds())))
    if task.durable:
        payload["name"] = durable_run_name(
            name,
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=ti.map_index if ti.map_index is not None else -1,
            dag_run_start=context["dag_run"].start_date,
        )
    return task.lineage.add_to(payload, context)


def uploads_of(task: RunTask, payload: Mapping[str, Any], context: Context) -> FileUploads:
    """The local files in the body of a task. Reads none of them.

    :param task: the task, all rendered.
    :param payload: its body.
    :param context: the task's context.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    with naming(task.task_id):
        sources = find_sources(payload, context)
        upload_to = task.hook.settings.upload_to
        if task.upload_to is not None:
            upload_to = checked_upload_to("upload_to", task.upload_to)
    return FileUploads(sources, upload_to, task.max_outage_seconds)


def payload_to_show(task: RunTask, context: Context) -> dict[str, Any]:
    """The body for Airflow's page of rendered templates. Sends nothing.

    It has the address of each local file, and not the credentials that OpenLineage may add.

    :param task: the task, all rendered.
    :param context: the task's context.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    payload = payload_to_send(task, context)
    uploads = uploads_of(task, payload, context)
    with naming(task.task_id):
        addresses = {keys: uploads.address(open_file(file)) for keys, file in uploads.sources.items()}
    return without_secrets(with_values(payload, addresses))


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
        return "{{" in value or "{%" in value
    return hasattr(value, "iter_references")


def _checked_payload(
    task: RunTask, name: str, is_unrendered: Callable[[Any], bool] = lambda value: False
) -> dict[str, Any]:
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


class PayloadOnceRendered:
    """The ``payload`` on Airflow's page of rendered templates. It is known after all other fields are rendered.

    Source: callables as template fields. Airflow 2.10 and later call them to render them, in mapped tasks too.

    :param build: builds the payload from the rendered fields and the context.
    """

    def __init__(self, build: Callable[[Any], Any]) -> None:
        self._build = build

    def __call__(self, context: Context, jinja_env: Any) -> Any:
        """Render the field. An error is shown as text: the task must fail with it later, not its rendering.

        :param context: the task's context.
        :param jinja_env: unused.
        """
        try:
            return self._build(context)
        except AirflowException as error:
            return f"cannot be built: {error}"
        except Exception as error:
            # Only the type: the text, such as a secrets backend's, may contain secrets.
            return f"cannot be built: {type(error).__name__}"

    def serialize(self) -> str:
        """The text shown before the task has run. On Airflow 3 it must be the same each time the DAG is parsed."""
        return str(self)

    def __str__(self) -> str:
        return "known once the task runs"
