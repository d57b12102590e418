"""The output of commands: results on stdout, as a table, JSON, YAML or plain columns, and messages on stderr.

Some Airflow versions log to stdout. While a command runs, ``sys.stdout`` is stderr, so that stdout has only the result.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any, TextIO

from airflow_provider_wherobots.messages import words

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
        # Names and log lines may contain characters that the terminal's encoding does not have.
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


def print_result(text: str, *, flush: bool = False) -> None:
    """Print a line of the result to stdout."""
    print(text, file=_stdout.get() or sys.stdout, flush=flush)


def print_message(text: str) -> None:
    """Print a line to stderr."""
    print(without_colours(text), file=sys.stderr, flush=True)


def print_rows(rows: Sequence[Mapping[str, Any]], output: str, columns: Sequence[str]) -> None:
    """Print rows as the result. A table and plain text have the columns; JSON and YAML have every value."""
    if output in ("json", "yaml"):
        _print_document(list(rows), output)
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    if output == "plain":
        for line in _aligned([list(columns), *cells]):
            print_result(line)
    elif cells:
        _print_table(columns, cells)


def print_item(item: Mapping[str, Any], output: str) -> None:
    """Print one object as the result. A table and plain text have a line for each value."""
    if output in ("json", "yaml"):
        _print_document(item, output)
    elif output == "plain":
        for line in _aligned([[name, " ".join(_text(value).split())] for name, value in item.items()]):
            print_result(line)
    else:
        _print_table(None, [[name, _text(value)] for name, value in item.items()])


def _print_document(document: Any, output: str) -> None:
    """Print JSON or YAML, in which a terminal's control characters are escaped."""
    if output == "json":
        print_result(json.dumps(document, indent=2))
        return
    import yaml

    print_result(yaml.safe_dump(document, sort_keys=False).removesuffix("\n"))


def without_colours(text: str) -> str:
    """Show colours as escapes: they would change a table."""
    return text.replace("\x1b", "\\x1b")


def _cell(value: Any) -> str:
    return without_colours(words.short(" ".join(_plain(value).split())))


def _text(value: Any) -> str:
    """A value that may have several lines."""
    if isinstance(value, Mapping | list):
        value = json.dumps(value, indent=2, ensure_ascii=False) if value else ""
    return "\n".join(without_colours(words.quoted(line)) for line in _plain(value).split("\n"))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {number}" for name, number in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _print_table(columns: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=_stdout.get() or sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=box.ASCII_DOUBLE_HEAD if columns else None, show_header=columns is not None)
    for number, column in enumerate(columns or ("", "")):
        # Users copy ids, so an id is never broken. Other values are broken, but never cut.
        table.add_column(Text(column), overflow="fold", no_wrap=number == 0)
    for row in rows:
        # Text, not str: names may look like rich's markup.
        table.add_row(*map(Text, row))
    # Captured: if the reader closes the pipe, rich itself would end the program, as failed.
    with console.capture() as captured:
        console.print(table)
    print_result(captured.get().removesuffix("\n"))
