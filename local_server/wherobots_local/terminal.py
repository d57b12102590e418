"""Output of the command line: lines that cannot change the terminal, also if the output is closed or full."""

from __future__ import annotations

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


class Terminal:
    """Prints lines without buffering. If the output is closed or its disk is full, further lines are lost, and the
    server continues."""

    def __init__(self, stream: TextIO) -> None:
        self._descriptor, self._encoding = stream.fileno(), stream.encoding
        self._lock = threading.Lock()
        self._closed = False

    def print(self, *lines: str) -> None:
        """Print lines, in which text from users must be :func:`escaped`."""
        data = "".join(f"{line}\n" for line in lines).encode(self._encoding, "backslashreplace")
        with self._lock:
            try:
                while data and not self._closed:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._closed = True
