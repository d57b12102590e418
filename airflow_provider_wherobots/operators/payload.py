"""The body of ``POST /runs``, built from a task's arguments, the connection's defaults and the run's name."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.storage.address import checked_upload_to
from airflow_provider_wherobots.flows.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.flows.upload import FileUploads
from airflow_provider_wherobots.operators.arguments import checked_payload, naming
from airflow_provider_wherobots.operators.local_files import find_sources
from airflow_provider_wherobots.operators.openlineage import without_secrets
from airflow_provider_wherobots.operators.run_suffix import suffix_of_task

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.operators.run import WherobotsRunOperator


def payload_to_send(task: WherobotsRunOperator, context: Context, suffix: str = "") -> dict[str, Any]:
    """Build the body after all arguments are rendered.

    :param task: the task. Its region is checked too, but is a query parameter and not in the body.
    :param context: the task's context.
    :param suffix: the suffix of its name, if the task is durable; default that of the task.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    settings, ti = task.hook.settings, context["ti"]
    name = task.name if task.name is not None else default_run_name(ti.dag_id, ti.task_id)
    payload = checked_payload(task, name)
    for key, default in (("runtime", settings.runtime), ("version", settings.version)):
        if default is not None:
            payload.setdefault(key, default)
    if task.execution_timeout is not None:
        payload.setdefault("timeoutSeconds", max(1, ceil(task.execution_timeout.total_seconds())))
    if task.durable:
        payload["name"] = durable_run_name(name, suffix or suffix_of_task(context))
    return task.lineage.add_to(payload, context)


def uploads_of(task: WherobotsRunOperator, payload: Mapping[str, Any], context: Context) -> FileUploads:
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


def payload_to_show(task: WherobotsRunOperator, context: Context) -> dict[str, Any]:
    """The body for Airflow's page of rendered templates: not with the credentials that OpenLineage may add.

    It has the paths of local files, not their addresses. Airflow builds it again when the task resumes. Then a file may
    be another than the one that was uploaded, or gone.

    :param task: the task, all rendered.
    :param context: the task's context.
    :raises WherobotsArgumentException: names the task, the argument, the value and the rule.
    """
    return without_secrets(payload_to_send(task, context))
