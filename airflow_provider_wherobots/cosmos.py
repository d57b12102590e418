"""dbt in Airflow with `Cosmos <https://astronomer.github.io/astronomer-cosmos/>`_: the profile of the adapter
`wherobots-dbt <https://pypi.org/project/wherobots-dbt/>`_ from an Airflow connection. Nothing else imports this module.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow_provider_wherobots.api.connection import CONNECTION_TYPE
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

try:
    from cosmos.profiles.base import BaseProfileMapping
except ImportError as error:
    raise ImportError(f"dbt needs Cosmos ({error}): pip install astronomer-cosmos") from error

HTTPS = "https://"


class WherobotsProfileMapping(BaseProfileMapping):  # type: ignore[misc]
    """Makes a profile for ``wherobots-dbt`` of an Airflow connection, for Cosmos's ``ProfileConfig``.

    Host, region and runtime are the connection's. dbt reads the API key from an environment variable: it is never
    written into ``profiles.yml``. The adapter supports neither plain http nor a Wherobots version, so a connection with
    one of them is refused.

    :param conn_id: id of the connection, of the type ``wherobots`` or ``wherobots_sql``.
    :param profile_args: fields of the profile, which override the connection's: ``catalog`` and ``schema`` are needed;
        others are ``threads``, ``region``, ``runtime``, ``session_type``, ``force_new`` and
        ``shutdown_after_inactive_seconds``.
    :param disable_event_tracking: see Cosmos.
    :param dbt_config_vars: see Cosmos.
    :raises WherobotsArgumentException: when the profile is made and a field of the connection breaks a rule.
    """

    airflow_connection_type = CONNECTION_TYPE
    dbt_profile_type = "wherobots"
    required_fields = ["host", "catalog", "schema", "api_token"]  # noqa: RUF012 - as in Cosmos
    secret_fields = ["api_token"]  # noqa: RUF012

    @property
    def profile(self) -> dict[str, Any]:
        """The fields of the profile. It reads the connection."""
        return {
            "type": self.dbt_profile_type,
            **self._from_connection,
            **self.profile_args,
            "api_token": self.get_env_var_format("api_token"),
        }

    def get_dbt_value(self, name: str) -> Any:
        """Return a field's value from ``profile_args``, else from the connection, else None; the API key in clear.

        :param name: name of the field.
        """
        return self.profile_args.get(name) or self._from_connection.get(name)

    @cached_property
    def _from_connection(self) -> dict[str, str | None]:
        settings = WherobotsHook(self.conn_id).settings
        address = settings.endpoint.base_url
        if not address.startswith(HTTPS):
            raise WherobotsArgumentException(
                f"connection {self.conn_id!r}: host={address!r}: must be https, because wherobots-dbt "
                "supports nothing else"
            )
        if settings.version:
            raise WherobotsArgumentException(
                f"connection {self.conn_id!r}: extra['version']={settings.version!r}: must be empty, because "
                "wherobots-dbt cannot request a version. Use another connection for dbt"
            )
        return {
            "host": address.removeprefix(HTTPS),
            "region": settings.region,
            "runtime": settings.runtime,
            "api_token": settings.endpoint.api_key,
        }
