"""What a stored connection says: where the API is, the key, and defaults for runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.api.endpoint import Endpoint, base_url
from airflow_provider_wherobots.api.errors import InvalidArgumentError

EXTRA_DEFAULTS = ("region", "runtime", "version")


@dataclass(frozen=True, slots=True)
class Settings:
    """A connection, read and checked.

    :param endpoint: host and key.
    :param region: default region of runs, or None.
    :param runtime: default runtime of runs, or None.
    :param version: default Wherobots version of runs, or None.
    """

    endpoint: Endpoint
    region: str | None = None
    runtime: str | None = None
    version: str | None = None


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
    """Read the fields of an Airflow connection.

    :param conn_type: ``wherobots``; ``generic`` and ``http`` as the official provider uses them.
    :param host: API host, with or without scheme and port; empty means ``api.cloud.wherobots.com``.
    :param port: port.
    :param schema: ``http`` or ``https``, for a host without a scheme.
    :param password: the API key.
    :param extra: JSON object with defaults: ``region``, ``runtime``, ``version``.
    :param user_agent: value of the ``User-Agent`` header.
    :param client: hop added to ``X-Wherobots-Client``.
    :raises InvalidArgumentError: names the field, the value (never the key) and the rule.
    """
    key = (password or "").strip()
    if not key:
        raise InvalidArgumentError("password: must hold the Wherobots API key, and is empty")
    scheme = (schema or "").strip().lower() or None
    if scheme not in (None, "http", "https"):
        raise InvalidArgumentError(f"schema={schema!r}: must be http, https or empty")
    try:
        url = base_url(host, port, scheme)
    except InvalidArgumentError:
        # The official provider ignores the schema of its `http` connections and always speaks https.
        if conn_type == "wherobots" or scheme != "http":
            raise
        url = base_url(host, port)
    return Settings(Endpoint(url, key, user_agent, client), **_defaults(extra))


def _defaults(extra: str | None) -> dict[str, str]:
    if not extra or not extra.strip():
        return {}
    try:
        document: Any = json.loads(extra)
    except ValueError:
        raise InvalidArgumentError("extra: must be a JSON object") from None
    if not isinstance(document, Mapping):
        raise InvalidArgumentError("extra: must be a JSON object")
    found = {}
    for key in EXTRA_DEFAULTS:
        value = document.get(key)
        if value in (None, ""):
            continue
        if not isinstance(value, str):
            raise InvalidArgumentError(f"extra[{key!r}]={value!r}: must be a string")
        found[key] = value
    return found
