"""A client of the control surface, for tests. It uses only the standard library."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 30.0


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

        :param switches: as in ``control.behaviour.Behaviour``.
        """
        if not switches:
            return self._call("GET", "/behaviour")
        return self._call("PATCH", "/behaviour", switches)

    def add_fault(self, operation: str, action: Mapping[str, Any] | str, **conditions: Any) -> None:
        """Add a fault rule.

        :param operation: an ``operationId`` or ``*``.
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
        """Return the journal of requests, oldest first.

        :param operation: only those of one ``operationId``; default all.
        """
        entries = self._call("GET", "/requests")["requests"]
        return [entry for entry in entries if operation in (None, entry["operation"])]

    def clear_requests(self) -> None:
        """Empty the journal and set the counts to zero."""
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
        """Put lines into the log of a run, wherever their timestamps belong.

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

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = self._connection()
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, f"/_control{path}", payload, {"X-API-Key": self._api_key})
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise ControlError(f"{method} {path} was answered {answer.status}: {content}")
        decoded: dict[str, Any] = json.loads(content)
        return decoded

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            context = ssl.create_default_context(cafile=self._certificate)
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
