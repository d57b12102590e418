"""Observing the API calls of a task on a worker."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.transports.requests import RequestsTransport


def timeouts_of(operation: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets how long each call of an operation may take, as it is sent."""
    send, allowed = RequestsTransport.send, list[float]()

    def note_and_send(self: RequestsTransport, call: Call[Any], *timeouts: float) -> Any:
        if call.operation == operation:
            allowed.append(sum(timeouts))
        return send(self, call, *timeouts)

    monkeypatch.setattr(RequestsTransport, "send", note_and_send)
    return allowed


def once_answered(then: Callable[[str], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call ``then`` with the operation of each call, after it is answered and before the task has the answer."""
    send = RequestsTransport.send

    def send_and_do(self: RequestsTransport, call: Call[Any], *timeouts: float) -> Any:
        answer = send(self, call, *timeouts)
        then(call.operation)
        return answer

    monkeypatch.setattr(RequestsTransport, "send", send_and_do)


class RaisedInHandlerError(BaseException):
    """What Airflow raises in a signal handler: on 2.11 after ``on_kill``, and everywhere at a timeout."""


def interrupt_first(operation: str, handler: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the first call of an operation before it is sent, with a signal handler that raises."""
    send, interrupted = RequestsTransport.send, list[str]()

    def send_or_raise(self: RequestsTransport, call: Call[Any], *timeouts: float) -> Any:
        if call.operation == operation and not interrupted:
            interrupted.append(operation)
            handler()
            raise RaisedInHandlerError
        return send(self, call, *timeouts)

    monkeypatch.setattr(RequestsTransport, "send", send_or_raise)


def interrupt_first_read(
    task: Any, handler: Callable[[], object], monkeypatch: pytest.MonkeyPatch, then: Exception | None = None
) -> None:
    """Interrupt a task when it first reads its connection, with a signal handler that raises. ``then`` is what reading
    it fails with from then on.
    """
    later = task.hook.get_connection if then is None else Mock(side_effect=then)

    def interrupt(conn_id: str) -> Any:
        monkeypatch.setattr(task.hook, "get_connection", later)
        handler()
        raise RaisedInHandlerError

    monkeypatch.setattr(task.hook, "get_connection", interrupt)


def kill_while_reading(task: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kill a task whenever it reads its connection. Which it has read is added to what is returned."""
    get_connection, reads = task.hook.get_connection, list[str]()

    def read(conn_id: str) -> Any:
        reads.append(conn_id)
        task.on_kill()
        return get_connection(conn_id)

    monkeypatch.setattr(task.hook, "get_connection", read)
    return reads
