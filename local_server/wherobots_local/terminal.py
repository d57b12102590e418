"""Output of the command line: lines that cannot change the terminal, also if the output is closed or full."""

from __future__ import annotations

import logging
import os
import threading
import unicodedata
from typing import TextIO

_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def escaped(text: str) -> str:
    r"""Show control characters, and invisible or reordering ones, as escapes (``\x1b``)."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character == "\t" or unicodedata.category(character) not in _ESCAPED_CATEGORIES
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class EscapingFormatter(logging.Formatter):
    """Escapes log records: they can contain file names that scripts chose."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(escaped, super().format(record).split("\n")))


class Terminal:
    """Prints lines without buffering. If the output is closed or its disk is full, lines are lost, and the server
    continues. ``stream`` is None in a process without an output."""

    def __init__(self, stream: TextIO | None) -> None:
        self._descriptor, self._encoding = (-1, "utf-8") if stream is None else (stream.fileno(), stream.encoding)
        self._lock = threading.Lock()
        self._closed = stream is None

    def print(self, *lines: str) -> None:
        """Print lines, in which text from users must be :func:`escaped`."""
        data = "".join(f"{line}\n" for line in lines).encode(self._encoding, "backslashreplace")
        with self._lock:
            try:
                while data and not self._closed:
                    data = data[os.write(self._descriptor, data) :]
            except BrokenPipeError:
                self._closed = True
            except OSError:
                # For example a full disk. Later lines may fit.
                return
