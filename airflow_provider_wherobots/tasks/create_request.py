"""What only a running task knows of its create request: its local files, and OpenLineage's properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.runs.payload import FILE_DEPENDENCY_SUFFIXES, Keys, local_files, local_path
from airflow_provider_wherobots.compat import conf, dags_folder
from airflow_provider_wherobots.files import FileSource, absolute
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context

OPENLINEAGE = "airflow.providers.openlineage"


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


def add_parent_job(
    payload: dict[str, Any], wanted: bool | None, context: Context, warn: Callable[[str], None]
) -> dict[str, Any]:
    """Add the properties that tell the run's Spark which task has started it. Properties of the user win.

    With them the lineage that Spark reports belongs to the task. Source: the page "Passing parent job information to
    Spark jobs" of ``apache-airflow-providers-openlineage``. ``wanted=None`` takes ``[openlineage]
    spark_inject_parent_job_info``. Never fails: an error is a warning.
    """
    environment = payload.get("environment") or {"dependencies": []}
    configs: Mapping[str, str] = environment.get("sparkConfigs") or {}
    try:
        if wanted is None:
            wanted = conf.getboolean("openlineage", "spark_inject_parent_job_info", fallback=False)
        if not wanted:
            return payload
        from airflow.providers.openlineage.utils.spark import inject_parent_job_information_into_spark_properties

        found = inject_parent_job_information_into_spark_properties(dict(configs), context)
    except Exception as error:
        warn(f"Creating the run without OpenLineage's properties: {_explain(error)}")
        return payload
    added = {key: str(value) for key, value in found.items() if key not in configs and value is not None}
    if not added:
        return payload
    return {**payload, "environment": {**environment, "sparkConfigs": {**added, **configs}}}


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and OPENLINEAGE.startswith(error.name or "-"):
        return "apache-airflow-providers-openlineage is not installed"
    return reason_of(error)
