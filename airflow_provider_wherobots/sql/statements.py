"""What a statement consists of, as Spark's parser finds it, what it may change, and what a log may show of it.

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
from enum import Enum, StrEnum, auto

MAX_CHARACTERS = 1000
"""How much of a statement a log shows."""
MASK = "?"

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
_READS = frozenset({"SELECT", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"})
_SESSION = frozenset({"USE", "SET", "RESET", "CACHE", "UNCACHE", "CLEAR", "REFRESH", "DECLARE"})
_TEMPORARY = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+)?TEMP(?:ORARY)?\s+(?:VIEW|FUNCTION)\b")
_WORD = re.compile(r"[A-Z_]\w*")
_HINT = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_INNERMOST_GROUP = re.compile(r"\([^()]*\)")
_GROUP = "<group>"
# A list of columns comes before AS: WITH t (n) AS (SELECT 1) SELECT n FROM t.
_AFTER_QUERY = re.compile(rf"{_GROUP}\s*(?!AS\b)({_WORD.pattern}.*)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:[a-zA-Z]{1,2})?(?!\w)")
_BINARY = re.compile(r"(?<!\w)[xX]\s*$")
_SETTING = re.compile(r"^(SET [^=]*= ?).*", re.IGNORECASE)
"""A setting may hold a key, and needs no quotes."""
_SPACES = re.compile(r"\s+")


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


class StatementKind(StrEnum):
    """What a statement may change."""

    READ = "read"
    """Nothing. A query that begins with ``FROM`` or ``WITH`` is one, an insert that does is none."""
    SESSION = "session"
    """Only the session: ``USE``, ``SET``, a temporary view or function, ``CACHE``, ``DECLARE``."""
    WRITE = "write"
    """Anything. A ``CALL`` is one, and each statement that is not known."""


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


def kind_of(statement: str) -> StatementKind:
    """What a statement may change."""
    keyword = _keyword(statement)
    if keyword in _READS:
        return StatementKind.READ
    return StatementKind.SESSION if keyword in _SESSION or _TEMPORARY.match(_code(statement)) else StatementKind.WRITE


def returns_result(statement: str) -> bool:
    """Whether a statement has a result to fetch: one that only reads, or a ``CALL``."""
    return _keyword(statement) in _READS | {"CALL"}


def _keyword(statement: str) -> str:
    """The keyword that says what a statement does; empty if there is none."""
    code = _code(statement)
    words: list[str] = _WORD.findall(code)
    first = words[0] if words else ""
    if first in ("WITH", "FROM"):
        while (outline := _INNERMOST_GROUP.sub(_GROUP, code)) != code:
            code = outline
        if first == "WITH":
            found = _AFTER_QUERY.search(code)
            # Without a keyword the query is in parentheses.
            code = found[1] if found else "SELECT"
            first = _WORD.findall(code)[0]
        if first == "FROM":
            return "INSERT" if "INSERT" in _WORD.findall(code) else "SELECT"
    return first


def _code(statement: str) -> str:
    """The statement in upper case, with question marks for literals and quoted names, without comments and hints."""
    others = {SqlTokenKind.COMMENT: " "}
    pieces = (one.text if one.kind is SqlTokenKind.CODE else others.get(one.kind, " ? ") for one in tokens(statement))
    return _HINT.sub(" ", "".join(pieces)).upper()


def masked(statement: str, limit: int = MAX_CHARACTERS) -> str:
    """A statement in one line of at most ``limit`` characters, with ``?`` in place of each literal text and number, and
    without comments.
    """
    pieces: list[str] = []
    size = 0
    for token in tokens(statement):
        match token.kind:
            case SqlTokenKind.CODE:
                piece = _SPACES.sub(" ", _NUMBER.sub(MASK, token.text))
            case SqlTokenKind.COMMENT:
                piece = " "
            case SqlTokenKind.LITERAL | SqlTokenKind.OPEN:
                if pieces:
                    pieces[-1] = _BINARY.sub("", pieces[-1])
                piece = MASK
            case _:
                piece = token.text
        pieces.append(piece)
        size += len(piece)
        if size > 2 * limit:
            break
    line = _SETTING.sub(rf"\1{MASK}", _SPACES.sub(" ", "".join(pieces)).strip())
    return line if len(line) <= limit else f"{line[:limit]}… ({len(statement):,} characters)"
