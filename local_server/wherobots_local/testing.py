"""The object that the fixtures of the pytest plugin provide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wherobots_local.server import LocalServer


class WherobotsLocal(LocalServer):
    """A running local server with short names for what tests need. Its ``repr`` does not show the key.

    It has the arguments and members of :class:`~wherobots_local.server.LocalServer`: among them ``url``, ``api_key``,
    ``root`` (the folder behind ``s3://``) and ``control``, the :class:`~wherobots_local.control.client.ControlClient`
    for everything else.
    """

    @property
    def airflow_connection(self) -> str:
        """The connection as JSON, for an environment variable of Airflow such as ``AIRFLOW_CONN_WHEROBOTS_DEFAULT``."""
        return json.dumps({"conn_type": "wherobots", "host": self.url, "password": self.api_key})

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All runs as they are, oldest first, regardless of the switches."""
        return self.control.runs()

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that arrived, oldest first."""
        return self.control.requests()

    def behave(self, **switches: Any) -> dict[str, Any]:
        """Change switches, such as ``sql_synthetic=True``, and return all.

        :param switches: see the table of switches in ``docs/api.md``.
        """
        return self.control.behaviour(**switches)

    def fault(self, operation: str, action: Mapping[str, Any] | str, **conditions: Any) -> None:
        """Add a fault.

        :param operation: an ``operationId``, ``openSqlSocket``, or ``*``.
        :param action: what happens, such as ``{"type": "status", "status": 503}``; a string is short for
            ``{"type": string}``.
        :param conditions: ``run_id``, ``name``, ``times``, ``seconds``, ``after``, ``per_second``.
        """
        self.control.add_fault(operation, action, **conditions)

    def reset(self) -> None:
        """Reset the server, storage included."""
        self.control.reset()

    def __repr__(self) -> str:
        return f"<WherobotsLocal {self.url}>"
