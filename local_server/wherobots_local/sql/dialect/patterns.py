"""Patterns of dates of Java in the words of DuckDB's strftime. Letters that are not here mean something else there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherobots_local.sql.dialect.errors import unsupported

# What strftime writes, and what a text must look like to be read.
_LETTERS = {
    "yyyy": ("%Y", r"\d{4}"),
    "MM": ("%m", r"\d\d"),
    "M": ("%-m", r"\d\d?"),
    "dd": ("%d", r"\d\d"),
    "d": ("%-d", r"\d\d?"),
    "HH": ("%H", r"\d\d"),
    "H": ("%-H", r"\d\d?"),
    "mm": ("%M", r"\d\d"),
    "m": ("%-M", r"\d\d?"),
    "ss": ("%S", r"\d\d"),
    "s": ("%-S", r"\d\d?"),
    "SSS": ("%g", r"\d{3}"),
    "SSSSSS": ("%f", r"\d{6}"),
}
_WRITTEN = {
    **{"y": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "LLLL": "%B", "LLL": "%b", "DDD": "%j", "D": "%-j"},
    **{"EEEE": "%A", "EEE": "%a", "EE": "%a", "E": "%a", "hh": "%I", "h": "%-I", "a": "%p"},
}
_PARTS = re.compile(r"'(?P<text>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<rest>[^A-Za-z'])")


def writing(pattern: str) -> str:
    """Return the pattern with which strftime writes a time."""
    return "".join(
        text.replace("%", "%%") if text is not None else _WRITTEN.get(letters) or _known(letters)[0]
        for letters, text in _parts(pattern)
    )


def reading(pattern: str) -> tuple[str, str]:
    """Return the pattern with which strptime reads a text, and a regular expression that the whole text matches."""
    parts = list(_parts(pattern))
    if len({letters[0] for letters, text in parts if text is None}) < sum(text is None for _, text in parts):
        raise unsupported(f"reading with the date pattern {pattern}")
    told = "".join(text.replace("%", "%%") if text is not None else _known(letters)[0] for letters, text in parts)
    shape = "".join(re.escape(text) if text is not None else _known(letters)[1] for letters, text in parts)
    return told, shape


def _known(letters: str) -> tuple[str, str]:
    if letters not in _LETTERS:
        raise unsupported(f"the date pattern {letters}")
    return _LETTERS[letters]


def _parts(pattern: str) -> Iterator[tuple[str, str | None]]:
    """Return letters, or a text, in order."""
    place = 0
    while place < len(pattern):
        if (found := _PARTS.match(pattern, place)) is None or (found["rest"] or "") in ("[", "]", "{", "}", "#"):
            raise unsupported(f"the date pattern {pattern}")
        place = found.end()
        text = found["text"]
        yield found["letters"] or "", found["rest"] if text is None else (text.replace("''", "'") or "'")
