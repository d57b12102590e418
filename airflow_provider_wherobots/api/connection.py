"""The contents of a stored connection: the API's host, the key, and defaults for runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.api.endpoint import Endpoint, base_url, check_console_url_template, console_url
from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.storage import checked_upload_to

CONNECTION_TYPE = "wherobots"
DEFAULT_CONN_ID = "wherobots_default"
SQL_CONNECTION_TYPE = "wherobots_sql"
"""The same connection, for operators that need a hook for SQL."""
OFFICIAL_TYPES = ("generic", "http")
"""The types of connections made for the official provider."""
EXTRA_KEYS = ("region", "runtime", "version", "upload_to", "console_url_template")


@dataclass(frozen=True, slots=True)
class Settings:
    """A connection, read and checked.

    :param endpoint: host and key.
    :param region: default region of runs, or None.
    :param runtime: default runtime of runs, or None.
    :param version: default Wherobots version of runs, or None.
    :param upload_to: ``s3://`` address of the folder that local files are uploaded to; None requests one from the API.
    :param console_url_template: address of a run's page with ``{run_id}`` in it; None derives it from the host.
    """

    endpoint: Endpoint
    region: str | None = None
    runtime: str | None = None
    version: str | None = None
    upload_to: str | None = None
    console_url_template: str | None = None

    def run_url(self, run_id: str) -> str:
        """Address of a run's page in the web console."""
        return console_url(self.endpoint.base_url, run_id, self.console_url_template)


def read_settings(
    *,
    conn_type: str | None = None,
    host: str | None = None,
    port: int | None = None,
    schema: str | None = None,
    password: str | None = None,
    extra: str | None = None,
    user_agent: str = "airflow-provider-wherobots",
    client: str = "client=airflow-provider-wherobots",
) -> Settings:
    """Read the fields of an Airflow connection. Errors name the field, the value (never the key) and the rule.

    A connection without a type, which Airflow allows, counts as ``wherobots``.
    """
    # A URI has a hyphen in place of an underscore.
    kind = (conn_type or CONNECTION_TYPE).lower().replace("-", "_")
    if kind not in (CONNECTION_TYPE, SQL_CONNECTION_TYPE, *OFFICIAL_TYPES):
        raise InvalidArgumentError(f"conn_type={conn_type!r}: must be wherobots, wherobots_sql, generic or http")
    key = (password or "").strip()
    if not key:
        raise InvalidArgumentError("password: must hold the Wherobots API key, but is empty")
    scheme = (schema or "").strip().lower() or None
    if scheme not in (None, "http", "https"):
        raise InvalidArgumentError(f"schema={schema!r}: must be http, https or empty")
    try:
        url = base_url(host, port, scheme)
    except InvalidArgumentError:
        # The official provider always uses https, and ignores schema and port. The port belongs to the schema: no
        # server speaks https on port 80.
        if kind not in OFFICIAL_TYPES or scheme != "http":
            raise
        url = base_url(host)
    extras = _read_extra(extra)
    if "upload_to" in extras:
        extras["upload_to"] = checked_upload_to("extra['upload_to']", extras["upload_to"])
    if "console_url_template" in extras:
        check_console_url_template(extras["console_url_template"])
    return Settings(Endpoint(url, key, user_agent, client), **extras)


def _read_extra(extra: str | None) -> dict[str, str]:
    if not extra or not extra.strip():
        return {}
    try:
        document: Any = json.loads(extra)
    except ValueError:
        raise InvalidArgumentError("extra: must be a JSON object") from None
    if not isinstance(document, Mapping):
        raise InvalidArgumentError("extra: must be a JSON object")
    found = {}
    for key in EXTRA_KEYS:
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            raise InvalidArgumentError(f"extra[{key!r}]={value!r}: must be a string")
        if value and value.strip():
            found[key] = value.strip()
    return found
