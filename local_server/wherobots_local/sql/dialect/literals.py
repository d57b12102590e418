"""The escapes of Spark's string literals. Source: Spark SQL reference, Literals."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_SIGNS = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
_LAST_CHARACTER = 0x10FFFF


def literal_value(written: str) -> str:
    r"""Read what stands between the quotes of a literal: ``\n`` is a line end, ``\'`` a quote, ``\\`` a backslash.

    ``\%`` and ``\_`` keep the backslash, which ``LIKE`` reads. Before any other character it is dropped.

    :param written: the text between the quotes.
    :returns: the value.
    """
    return _ESCAPE.sub(_unescaped, written)


def _unescaped(match: re.Match[str]) -> str:
    escape = match.group(1)
    if len(escape) == 1:
        return _SIGNS.get(escape, escape)
    code = int(escape, 8) if escape.isdigit() and len(escape) == 3 else int(escape[1:], 16)
    return chr(code) if code <= _LAST_CHARACTER else "\ufffd"
