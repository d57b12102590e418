"""A client of the control surface, for tests. It uses only the standard library."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

_TIMEOUT_SECONDS = 30.0
_RESET_SECONDS = 300.0
"""A script may ignore SIGTERM for a while, and a storage may be large."""


class ControlError(Exception):
    """The server refused a control call."""


class ControlClient:
    """Sets switches and faults of a local server, and reads which requests it received.

    Its ``repr`` does not show the key.

    :param url: address of the server.
    :param api_key: its key.
    :param certificate: PEM file of its certificate, for https; default None.
    """

    def __init__(self, url: str, api_key: str, *, certificate: str | os.PathLike[str] | None = None) -> None:
        self._address = urlsplit(url)
        self._api_key = api_key
        self._certificate = certificate

    def behaviour(self, **switches: Any) -> dict[str, Any]:
        """Change switches and return all of them; with none given, only return them.

        :param switches: see the table of switches in ``docs/api.md``.
        """
        if not switches:
            return self._call("GET", "/behaviour")
        return self._call("PATCH", "/behaviour", switches)

    def add_fault(self, operation: str, action: Mapping[str, Any] | str, **conditions: Any) -> None:
        """Add a fault rule.

        :param operation: an ``operationId``, ``putObject``, ``getObject``, ``openSqlSocket`` or ``*``.
        :param action: what happens; a string is short for ``{"type": string}``.
        :param conditions: ``run_id``, ``name``, ``times``, ``seconds``, ``after``, ``per_second``.
        """
        body = {"type": action} if isinstance(action, str) else dict(action)
        self._call("POST", "/faults", {"operation": operation, "action": body, **conditions})

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules, with how often each was ``applied``."""
        return list(self._call("GET", "/faults")["faults"])

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._call("DELETE", "/faults")

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the list of requests, with the messages to SQL sessions, oldest first.

        :param operation: only those of one ``operationId`` or kind of message, such as ``executeSql``; default all.
        """
        entries = self._call("GET", "/requests")["requests"]
        return [entry for entry in entries if operation in (None, entry["operation"])]

    def clear_requests(self) -> None:
        """Empty the list of requests and set the counts to zero."""
        self._call("DELETE", "/requests")

    def counts(self) -> dict[str, Any]:
        """Return how many requests came and how many took effect."""
        return self._call("GET", "/counts")

    def create_run(self, name: str, **fields: Any) -> dict[str, Any]:
        """Create a synthetic run, which has no process.

        :param name: its name.
        :param fields: further fields of the create body; without a run kind it is a ``runPython`` of a file that need
            not exist.
        :returns: the ``RunView``.
        """
        if "runPython" not in fields and "runJar" not in fields:
            fields["runPython"] = {"uri": "s3://bucket/synthetic.py"}
        return self._call("POST", "/runs", {"name": name, **fields})

    def patch_run(self, run_id: str, **changes: Any) -> dict[str, Any]:
        """Change a synthetic run. Of a run with a process only ``kubeApp.spark_ui_url`` can be changed.

        :param run_id: its id.
        :param changes: ``status``, ``completed``, ``kubeApp``.
        :returns: the ``RunView``.
        """
        return self._call("PATCH", f"/runs/{run_id}", changes)

    def insert_logs(self, run_id: str, items: Sequence[Mapping[str, Any]]) -> None:
        """Put lines into the log of a run, where their timestamps belong.

        :param run_id: id of the run.
        :param items: ``{"timestamp": ns, "raw": text}``; without a timestamp: now.
        """
        self._call("POST", f"/runs/{run_id}/logs", {"items": list(items)})

    def rotate_api_key(self, api_key: str | None = None) -> str:
        """Replace the key. This client uses the new key from then on.

        :param api_key: the new key; default None, a random one.
        :returns: the new key.
        """
        self._api_key = self._call("PUT", "/api-key", {"api_key": api_key})["api_key"]
        return self._api_key

    def reset(self, *, storage: bool = True) -> None:
        """Make the server like a new one on an empty root. Active runs and SQL sessions are ended first.

        Switches and key are those that the server was started with. This client then uses that key.

        :param storage: whether the buckets and tables are removed too. At the first reset of a server they are moved to
            ``.wherobots-local/storage-before-reset`` in its root instead, and kept there as long as runs.
        """
        self._api_key = self._call("POST", "/reset", {"storage": storage}, seconds=_RESET_SECONDS)["api_key"]

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs as they are, oldest first, regardless of the switches."""
        found: list[dict[str, Any]] = []
        page = self._call("GET", "/runs")
        while True:
            found += page["items"]
            if page["next_page"] is None:
                return found[::-1]
            page = self._call("GET", f"/runs?{urlencode({'cursor': page['next_page']})}")

    def sql_sessions(self) -> list[dict[str, Any]]:
        """Return all SQL sessions, oldest first, each with its ``connections`` (how many) and ``executions``."""
        return list(self._call("GET", "/sql/sessions")["sessions"])

    def answer_sql(
        self,
        statement: str,
        columns: Mapping[str, Sequence[Any]] | None = None,
        *,
        geometry: Sequence[str] = (),
        error: str = "",
        seconds: float = 0,
    ) -> None:
        """Set what the synthetic engine does with a statement. The newest of these that fits counts.

        :param statement: text that the statement contains, in any case.
        :param columns: its result, by the names of the columns; default None, it has none, such as DDL.
        :param geometry: which columns are geometries, given as EWKT; default none.
        :param error: the text with which it fails; default empty, it succeeds.
        :param seconds: how long it takes; default 0.
        """
        answer = {"columns": columns, "geometry": list(geometry), "error": error, "seconds": seconds}
        self._call("POST", "/sql/answers", {"statement": statement, **answer})

    def _call(
        self, method: str, path: str, body: object = None, *, seconds: float = _TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        connection = self._connection(seconds)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, f"/_control{path}", payload, {"X-API-Key": self._api_key})
            response = connection.getresponse()
            content = response.read().decode()
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise ControlError(f"{method} {path} got the response {response.status}: {content}")
        decoded: dict[str, Any] = json.loads(content)
        return decoded

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            context = ssl.create_default_context(cafile=self._certificate)
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        return http.client.HTTPConnection(host, port, timeout=seconds)
