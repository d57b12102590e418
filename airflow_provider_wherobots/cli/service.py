"""The service behind ``--conn``: a connection, and the ``Io`` that runs flows on it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.cli.output import CommandFailedError, print_message
from airflow_provider_wherobots.io.worker import WorkerIo, standalone_io
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.words import quoted, reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

MAX_OUTAGE_SECONDS = 30.0
"""How long a command tolerates consecutive failures of a call: a person is waiting."""


def hook_of(conn_id: str) -> WherobotsHook:
    """Make a hook that works outside of a task."""
    from airflow.models.connection import Connection

    from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

    class Hook(WherobotsHook):
        # A command does not wait for another key.
        io = partialmethod(WherobotsHook.io, may_reload=False)

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            # As in Airflow's own commands: since 3.1 a hook reads the database only through a supervisor.
            return Connection.get_connection_from_secrets(conn_id)

    return Hook(conn_id)


def read_settings(conn_id: str) -> Settings:
    """Read an Airflow connection."""
    try:
        return hook_of(conn_id).settings
    except Exception as error:
        # A secrets backend's text may contain anything. The texts of these two exceptions are one line.
        known = type(error).__name__ in ("WherobotsArgumentException", "AirflowNotFoundException")
        text = quoted(str(error)) if known else f"connection {conn_id!r} cannot be read: {reason_of(error)}"
        raise CommandFailedError(text) from None


@contextmanager
def io_of(settings: Settings, write: Callable[[LogRecord], None] = lambda record: None) -> Iterator[WorkerIo]:
    """Make an ``Io`` for flows. Their messages of level INFO and above go to stderr."""

    def note(level: int, text: str) -> None:
        if level >= logging.INFO:
            print_message(text)

    try:
        with standalone_io(settings.endpoint, note, settings.endpoint.source, write) as io:
            yield io
    except WherobotsApiError as error:
        raise CommandFailedError(str(error)) from None
