"""The form of a Wherobots connection. Airflow 3.2 and later read it from the provider info, earlier versions from the
hook. :mod:`airflow_provider_wherobots.api.endpoint` defines the extra fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.api.connection import CONNECTION_TYPE
from airflow_provider_wherobots.api.endpoint import DEFAULT_HOST
from airflow_provider_wherobots.api.runs.runtimes import REGIONS, RUNTIMES, VERSIONS

HOOK_NAME = "Wherobots"
"""The name in the list of connection types."""
SQL_HOOK_NAME = "Wherobots SQL"
HIDDEN_FIELDS = ("schema", "login")
"""Unused fields. ``extra`` is not hidden: without it the Test button of Airflow 2.11 does nothing for a stored
connection, and Airflow 3 shows the extra's JSON anyway."""
LABELS = {"host": "API host", "port": "API port", "password": "API key"}
PLACEHOLDERS = {
    # The port has its own field, because Airflow 3.3.1 cannot test a connection without one.
    "host": f"{DEFAULT_HOST}, or http://127.0.0.1 for the local server",
    "port": "443, or 8765 for the local server",
    "password": "the key of a service principal, or your own",
}


@dataclass(frozen=True, slots=True)
class ExtraField:
    """A field of the form that is stored in the connection's extra. The placeholder is shown where Airflow shows no
    help text; a value need not be one of the suggestions.
    """

    name: str
    label: str
    help: str
    suggestions: tuple[str, ...] = ()
    placeholder: str = ""


EXTRA_FIELDS = (
    ExtraField(
        "region",
        "Region",
        f"Compute region of runs whose task sets none; empty: the organization's default. Known: {', '.join(REGIONS)}.",
        REGIONS,
        "such as aws-us-west-2",
    ),
    ExtraField(
        "runtime",
        "Runtime",
        "Runtime of runs whose task sets none; empty: the organization's default. "
        f"Known: {', '.join(RUNTIMES[:8])}; some also with -himem, -hicpu, -matcher or -a10-gpu.",
        RUNTIMES,
        "such as tiny",
    ),
    ExtraField(
        "version",
        "Wherobots version",
        "Wherobots version of runs whose task sets none; empty: latest. Known: latest, preview, and version numbers.",
        VERSIONS,
        "such as latest",
    ),
    ExtraField(
        "upload_to",
        "Folder for uploads",
        "S3 address of the folder that local scripts and files are uploaded to; empty: a folder that all users of the "
        "organization share, in its managed storage.",
        placeholder="s3://bucket/folder",
    ),
    ExtraField(
        "console_url_template",
        "Console URL template",
        "Address of a run's page, with {run_id} in it; empty: derived from the API host.",
        placeholder="https://cloud.wherobots.com/runs/{run_id}",
    ),
)


def provider_info(connection_type: str = CONNECTION_TYPE, hook_name: str = HOOK_NAME) -> dict[str, Any]:
    """The form as an entry of ``connection-types`` in the provider info; the caller adds ``hook-class-name``."""
    return {
        "connection-type": connection_type,
        "hook-name": hook_name,
        "ui-field-behaviour": {key.replace("_", "-"): value for key, value in field_behaviour().items()},
        "conn-fields": {
            field.name: {"label": field.label, "description": field.help, "schema": _schema(field)}
            for field in EXTRA_FIELDS
        },
    }


def field_behaviour() -> dict[str, Any]:
    """The form's standard fields as ``get_ui_field_behaviour`` returns them."""
    placeholders = {**PLACEHOLDERS, **{field.name: field.placeholder for field in EXTRA_FIELDS}}
    return {"hidden_fields": list(HIDDEN_FIELDS), "relabeling": dict(LABELS), "placeholders": placeholders}


def _schema(field: ExtraField) -> dict[str, Any]:
    # Airflow's form suggests `examples`. With an `enum` it would refuse every other value.
    schema: dict[str, Any] = {"type": ["string", "null"]}
    return {**schema, "examples": list(field.suggestions)} if field.suggestions else schema
