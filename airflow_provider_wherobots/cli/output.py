"""What commands print: rows as a table for people, and as JSON, YAML or plain columns for programs.

Airflow logs to stdout on some of its lines. While a command runs, ``sys.stdout`` is stderr, so that stdout has nothing
but what was asked for. Commands print with :func:`emit`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any, TextIO

from airflow_provider_wherobots.flows import words

PIPE_WIDTH = 200
"""Width of a table that is not printed on a terminal, as of Airflow's own commands."""
_stdout: ContextVar[TextIO | None] = ContextVar("stdout", default=None)


@contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Reserve stdout for :func:`emit`: everything else that is printed or logged goes to stderr."""
    stdout = sys.stdout
    if hasattr(stdout, "reconfigure"):
        # Names and log lines may hold characters that the terminal's encoding has not.
        stdout.reconfigure(errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        # `airflow wherobots` has set up logging before. A handler without a stream of its own, as in 2.11 and 3.0,
        # follows sys.stdout.
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is stdout:
            handler.setStream(sys.stderr)
    reserved = _stdout.set(stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield stdout
    finally:
        _stdout.reset(reserved)


def results() -> TextIO:
    """The stream for what was asked for."""
    return _stdout.get() or sys.stdout


def emit(text: str, *, at_once: bool = False) -> None:
    """Print a line of what was asked for, safe for a terminal; ``at_once`` without the buffer of a pipe."""
    print(text, file=results(), flush=at_once)


def print_rows(rows: Sequence[Mapping[str, Any]], output: str, columns: Sequence[str]) -> None:
    """Print rows to stdout. A table and plain text have the columns; JSON and YAML have every value."""
    if output in ("json", "yaml"):
        print_document(list(rows), output)
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    if output == "plain":
        for line in _aligned([list(columns), *cells]):
            emit(line)
    elif cells:
        _print_table(columns, cells)


def print_item(item: Mapping[str, Any], output: str) -> None:
    """Print one thing to stdout: as an object, or as a table of names and values."""
    if output in ("json", "yaml"):
        print_document(item, output)
    elif output == "plain":
        for line in _aligned([[name, " ".join(_text(value).split())] for name, value in item.items()]):
            emit(line)
    else:
        _print_table(None, [[name, _text(value)] for name, value in item.items()])


def print_document(document: Any, output: str) -> None:
    """Print JSON or YAML, in which a terminal's control characters are escaped."""
    if output == "json":
        emit(json.dumps(document, indent=2))
        return
    import yaml

    emit(yaml.safe_dump(document, sort_keys=False).removesuffix("\n"))


def say(text: str) -> None:
    """Print a line to stderr."""
    print(without_colours(text), file=sys.stderr, flush=True)


def without_colours(text: str) -> str:
    """Show colours as escapes: in the task log they stay, but they would change a table."""
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
    return f"{value:g}" if isinstance(value, float) else str(value)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _print_table(columns: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=results(), highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table(box=box.ASCII_DOUBLE_HEAD if columns else None, show_header=columns is not None)
    for number, column in enumerate(columns or ("", "")):
        # Ids are copied: they are not broken. Everything else is, but never cut.
        table.add_column(Text(column), overflow="fold", no_wrap=number == 0)
    for row in rows:
        # Text, not str: names may look like rich's markup.
        table.add_row(*map(Text, row))
    # If nobody reads, rich itself would end the program, as failed.
    with console.capture() as captured:
        console.print(table)
    emit(captured.get().removesuffix("\n"))
