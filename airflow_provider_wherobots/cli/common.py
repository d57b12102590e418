"""What all commands share: their output, the connection behind ``--conn``, and the ``Io`` that runs flows on it.

Results go to stdout, as a table or JSON, and messages to stderr.
Some Airflow versions log to stdout. While a command runs, ``sys.stdout`` is stderr, so that stdout has only the result.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from functools import partialmethod
from typing import TYPE_CHECKING, Any, TextIO

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.io.worker import WorkerIo, standalone_io
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.words import quoted, reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

FAILED, INTERRUPTED = 1, 130
"""Exit codes. Wrong arguments exit with argparse's 2."""
PIPE_WIDTH = 200
"""Width of a table that is not printed on a terminal, as in Airflow's own commands."""
_stdout: ContextVar[TextIO | None] = ContextVar("stdout", default=None)


class CommandFailedError(Exception):
    """Ends the command with :data:`FAILED`. Its text is printed after ``error:``: one line without secrets."""


@contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Reserve stdout for :func:`print_result`: everything else that is printed or logged goes to stderr."""
    stdout = sys.stdout
    if hasattr(stdout, "reconfigure"):
        # Names may contain characters that the terminal's encoding does not have.
        stdout.reconfigure(errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        # `airflow wherobots` has set up logging before. A handler without its own stream, as in 2.11 and 3.0, follows
        # sys.stdout.
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is stdout:
            handler.setStream(sys.stderr)
    reserved = _stdout.set(stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield stdout
    finally:
        _stdout.reset(reserved)


def print_result(text: str) -> None:
    """Print a line of the result to stdout."""
    print(text, file=_stdout.get() or sys.stdout)


def print_message(text: str) -> None:
    """Print a line to stderr."""
    print(without_colours(text), file=sys.stderr, flush=True)


def print_rows(rows: Sequence[Mapping[str, Any]], output: str, columns: Sequence[str]) -> None:
    """Print rows as the result. A table has the columns; JSON has every value."""
    if output == "json":
        # Control characters are escaped in JSON.
        print_result(json.dumps(list(rows), indent=2))
    elif rows:
        _print_table(columns, [[_cell(row.get(column)) for column in columns] for row in rows])


def without_colours(text: str) -> str:
    """Show colours as escapes: they would change a table."""
    return text.replace("\x1b", "\\x1b")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        value = ", ".join(f"{name}: {number}" for name, number in value.items())
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return without_colours(words.short(" ".join(text.split())))


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=_stdout.get() or sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=box.ASCII_DOUBLE_HEAD)
    for number, column in enumerate(columns):
        # Users copy ids, so an id is never broken. Other values are broken, but never cut.
        table.add_column(Text(column), overflow="fold", no_wrap=number == 0)
    for row in rows:
        # Text, not str: names may look like rich's markup.
        table.add_row(*map(Text, row))
    # Captured: if the reader closes the pipe, rich itself would end the program, as failed.
    with console.capture() as captured:
        console.print(table)
    print_result(captured.get().removesuffix("\n"))


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
