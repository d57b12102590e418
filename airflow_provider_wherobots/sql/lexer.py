"""Where literals, quoted names, comments and placeholders are in SQL, as Spark's parser finds them.

Source: Spark's grammar ``SqlBaseLexer.g4``: a backslash escapes the next character of a literal, an ``r`` before a
literal turns that off, a quoted name doubles its backtick, comments in ``/* */`` are nested, and ``/*+`` begins a hint.

A comment ends at the ``*/`` of its own depth. The rule ``BRACKETED_COMMENT`` is not greedy, but it can also end at the
end of the text. So ``/* s3://b/*.parquet */``, in which ``/*`` begins a second comment, extends to the end, and Spark
refuses it as not closed. Like Spark's command line (``SparkSQLCLIDriver.splitSemiColon``), this module makes a
statement of it, so the service reports the error and no statement is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class SqlTokenKind(Enum):
    """What a piece of SQL is."""

    CODE = auto()
    LITERAL = auto()
    NAME = auto()
    """A name in backticks."""
    COMMENT = auto()
    PLACEHOLDER = auto()
    PERCENT = auto()
    """A doubled percent sign."""
    SEMICOLON = auto()
    OPEN = auto()
    """A quote or comment that is never closed, and all that follows it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL. A placeholder has a key, if it has a name, and a form: the letter of what it stands for."""

    kind: SqlTokenKind
    text: str
    key: str | None = None
    form: str = ""

    @property
    def opening(self) -> str:
        """What a literal, a quoted name or a comment begins with."""
        return self.text[:2] if self.text.startswith("/*") else self.text[0]


_TOKEN = re.compile(
    r"""
      (?P<LITERAL> (?<!\w)[rR](?:'[^']*'|"[^"]*") | '(?:[^'\\]++|\\.)*+' | "(?:[^"\\]++|\\.)*+" )
    | (?P<NAME>    `(?:[^`]++|``)*+` )
    | (?P<COMMENT> --(?:\\\n|[^\r\n])*+ )
    | (?P<PERCENT> %% )
    | (?P<PLACEHOLDER> %\((?P<key>[^()]*)\)(?P<keyed>[a-zA-Z]) | %(?P<form>[si])(?!\w) )
    | (?P<SEMICOLON> ; )
    | (?P<OPEN>    ['"`] | /\*(?!\+) )
    """,
    re.VERBOSE | re.DOTALL,
)
# Not a hint: it begins no comment within a comment.
_BLOCK_EDGE = re.compile(r"/\*(?!\+)|\*/")


def tokens(sql: str) -> Iterator[Token]:
    """Split SQL into pieces, which together are the SQL."""
    position = 0
    while found := _TOKEN.search(sql, position):
        if found.start() > position:
            yield Token(SqlTokenKind.CODE, sql[position : found.start()])
        token = _token(sql, found)
        yield token
        position = found.start() + len(token.text)
    if position < len(sql):
        yield Token(SqlTokenKind.CODE, sql[position:])


def statements(sql: str) -> list[str]:
    """Split SQL at its semicolons. Semicolons, and statements that consist of closed comments only, are left out."""
    found: list[str] = []
    pieces: list[str] = []
    is_empty = True
    for token in (*tokens(sql), Token(SqlTokenKind.SEMICOLON, "")):
        if token.kind is not SqlTokenKind.SEMICOLON:
            pieces.append(token.text)
            is_empty = is_empty and (token.kind is SqlTokenKind.COMMENT or not token.text.strip())
            continue
        if not is_empty:
            found.append("".join(pieces).strip())
        pieces, is_empty = [], True
    return found


def _token(sql: str, found: re.Match[str]) -> Token:
    kind, text = SqlTokenKind[str(found.lastgroup)], found.group()
    if kind is SqlTokenKind.PLACEHOLDER:
        return Token(kind, text, found["key"], found["keyed"] or found["form"])
    if kind is not SqlTokenKind.OPEN:
        return Token(kind, text)
    end = _end_of_block(sql, found.end()) if text == "/*" else None
    return Token(kind, sql[found.start() :]) if end is None else Token(SqlTokenKind.COMMENT, sql[found.start() : end])


def _end_of_block(sql: str, position: int) -> int | None:
    depth = 1
    while edge := _BLOCK_EDGE.search(sql, position):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position
    return None
