"""The local files that a task's arguments name by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.runs.payload import FILE_DEPENDENCY_SUFFIXES, Keys, local_files, local_path
from airflow_provider_wherobots.api.storage import checked_upload_to
from airflow_provider_wherobots.compat import dags_folder
from airflow_provider_wherobots.files import FileSource, absolute
from airflow_provider_wherobots.flows.upload import FileUploads
from airflow_provider_wherobots.operators.wherobots_task import argument_errors

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.operators.creates_run import CreatesRun


def find_uploads(task: CreatesRun, payload: Mapping[str, Any], context: Context) -> FileUploads:
    """Find the local files that a create body names, and the folder to upload them to. Reads none of them."""
    with argument_errors(task.task_id):
        sources = find_sources(payload, context)
        upload_to = task.hook.settings.upload_to
        if task.upload_to is not None:
            upload_to = checked_upload_to("upload_to", task.upload_to)
    return FileUploads(sources, upload_to, task.max_outage_seconds)


def find_sources(payload: Mapping[str, Any], context: Context) -> dict[Keys, FileSource]:
    """Each local file, by where it is in the body.

    A relative path starts from the DAG file's folder. On Airflow 3 that folder is in the version of the DAG bundle that
    the DAG run began with, so a retry uploads the same file.
    """
    sources = {}
    for keys, argument, uri in local_files(payload):
        path = Path(local_path(f"{argument}={uri!r}", uri))
        is_dependency = keys[0] == "environment"
        folder, root = (Path("/"), None) if path.is_absolute() else _folder_and_root(context)
        sources[keys] = FileSource(
            argument,
            uri,
            absolute(folder, str(path)),
            root,
            may_be_folder=is_dependency,
            endings=FILE_DEPENDENCY_SUFFIXES if is_dependency else (),
        )
    return sources


def _folder_and_root(context: Context) -> tuple[Path, Path]:
    """The DAG file's folder, and the folder that a relative path must not lead out of."""
    folder = Path(context["dag"].fileloc).absolute().parent
    bundle = getattr(context["ti"], "bundle_instance", None)
    root = Path(bundle.path if bundle is not None else dags_folder())
    # `dag.test()` runs a DAG file from anywhere.
    return folder, root if folder.is_relative_to(root) or folder.resolve().is_relative_to(root.resolve()) else folder
