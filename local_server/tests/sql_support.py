"""A plain client of SQL sessions, for tests: REST with requests, the WebSocket with ``websockets``."""

from __future__ import annotations

import inspect
import json
import ssl
import uuid
from collections.abc import Mapping
from typing import Any

import cbor2
import pyarrow
import pyarrow.ipc
import requests
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from local_server.tests.support import KEY, Client
from tests.support.waiting import wait_for

Session = dict[str, Any]
"""A session, as the server shows it."""
NO_PROXY: dict[str, Any] = {"proxy": None} if "proxy" in inspect.signature(connect).parameters else {}
"""websockets asks for proxies since version 15."""


class SqlClient(Client):
    """Calls the operations for SQL sessions with nothing clever about it."""

    def ask(self, *, status: int = 303, region: str | None = None, force_new: bool = False, **body: Any) -> str:
        """Ask for a session and return its id."""
        answer = self.asked(region=region, force_new=force_new, **body)
        assert answer.status_code == status, answer.text
        return answer.headers.get("Location", "").rpartition("/")[2]

    def asked(self, *, region: str | None = None, force_new: bool = False, **body: Any) -> requests.Response:
        query = {"force_new": force_new, **({} if region is None else {"region": region})}
        return self.request("POST", "/sql/session", params=query, json=body, allow_redirects=False)

    def shown(self, session_id: str) -> Any:
        answer = self.request("GET", f"/sql/session/{session_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for_session(self, session_id: str, status: str = "READY") -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            session: dict[str, Any] | None = self.shown(session_id)
            return session if session is not None and session["status"] == status else None

        return wait_for(reached, what=f"the session to be {status}", detail=lambda: json.dumps(self.shown(session_id)))

    def ready(self, **body: Any) -> dict[str, Any]:
        """Ask for a session and wait until it is ready."""
        return self.wait_for_session(self.ask(**body))

    def open(self, session: Mapping[str, Any], **options: Any) -> SqlSocket:
        """Open the WebSocket of a session."""
        return SqlSocket(session["appMeta"]["url"], **options)


class SqlSocket:
    """A WebSocket that is read message by message."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        sent = {"X-API-Key": KEY} if headers is None else headers
        opening = connect(
            f"ws{url.removeprefix('http')}/1.0.0",
            additional_headers=dict(sent),
            ssl=tls,
            max_size=None,
            compression=None,
            **NO_PROXY,
        )
        # Closed by the end of the block of this object. Newer versions warn of a connection that is opened without one.
        self.connection: Connection = opening.__enter__()

    def __enter__(self) -> SqlSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, kind: str, execution_id: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"kind": kind, "execution_id": execution_id, **fields}))

    def receive(self, seconds: float = 60) -> dict[str, Any]:
        frame = self.connection.recv(timeout=seconds)
        message: dict[str, Any] = json.loads(frame) if isinstance(frame, str) else cbor2.loads(frame)
        return message

    def silence(self, seconds: float = 0.3) -> bool:
        try:
            self.receive(seconds)
        except TimeoutError:
            return True
        return False

    def begin(self, statement: str, execution_id: str = "", **fields: Any) -> str:
        """Execute a statement, and read that it runs."""
        execution_id = execution_id or str(uuid.uuid4())
        self.send("execute_sql", execution_id, statement=statement, **fields)
        assert self.receive() == {"kind": "state_updated", "execution_id": execution_id, "state": "running"}
        return execution_id

    def run(self, statement: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Execute a statement, and return its id and its last state."""
        execution_id = self.begin(statement, **fields)
        return execution_id, self.receive()

    def retrieve(self, execution_id: str, **fields: Any) -> dict[str, Any]:
        self.send("retrieve_results", execution_id, **fields)
        return self.receive()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        execution_id, state = self.run(statement)
        assert state["state"] == "succeeded", state
        found: list[dict[str, Any]] = table(self.retrieve(execution_id)).to_pylist()
        return found


def table(message: Mapping[str, Any]) -> Any:
    """Read the result of an ``execution_result``."""
    results = message["results"]
    assert results["format"] == "arrow"
    data = results["result_bytes"]
    if results["compression"] != "none":
        data = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), results["compression"]).read()
    return pyarrow.ipc.open_stream(data).read_all()
