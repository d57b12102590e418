"""What a statement is by its first keywords: one that only reads, that only changes the session, or that may write."""

from __future__ import annotations

import re
from enum import StrEnum

from airflow_provider_wherobots.sql.lexer import SqlTokenKind, tokens

_READS = frozenset({"SELECT", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"})
_SESSION = frozenset({"USE", "SET", "RESET", "CACHE", "UNCACHE", "CLEAR", "REFRESH", "DECLARE"})
_TEMPORARY = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+)?TEMP(?:ORARY)?\s+(?:VIEW|FUNCTION)\b")
_WORD = re.compile(r"[A-Z_]\w*")
_HINT = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_INNERMOST_GROUP = re.compile(r"\([^()]*\)")
_GROUP = "<group>"
# A list of columns comes before AS: WITH t (n) AS (SELECT 1) SELECT n FROM t.
_AFTER_QUERY = re.compile(rf"{_GROUP}\s*(?!AS\b)({_WORD.pattern}.*)", re.DOTALL)


class StatementKind(StrEnum):
    """What a statement may change."""

    READ = "read"
    """Nothing. A query that begins with ``FROM`` or ``WITH`` is one, an insert that does is none."""
    SESSION = "session"
    """Only the session: ``USE``, ``SET``, a temporary view or function, ``CACHE``, ``DECLARE``."""
    WRITE = "write"
    """Anything. A ``CALL`` is one, and each statement that is not known."""


def kind_of(statement: str) -> StatementKind:
    """What a statement may change."""
    keyword = _keyword(statement)
    if keyword in _READS:
        return StatementKind.READ
    return StatementKind.SESSION if keyword in _SESSION or _TEMPORARY.match(_code(statement)) else StatementKind.WRITE


def is_read(statement: str) -> bool:
    """Whether a statement only reads."""
    return kind_of(statement) is StatementKind.READ


def returns_result(statement: str) -> bool:
    """Whether a statement has a result to fetch: one that only reads, or a ``CALL``."""
    return _keyword(statement) in _READS | {"CALL"}


def _keyword(statement: str) -> str:
    """The keyword that says what a statement does; empty if there is none."""
    code = _code(statement)
    first = _first_word(code)
    if first not in ("WITH", "FROM"):
        return first
    while (outline := _INNERMOST_GROUP.sub(_GROUP, code)) != code:
        code = outline
    if first == "WITH":
        found = _AFTER_QUERY.search(code)
        # Without a keyword the query is in parentheses.
        code = found[1] if found else "SELECT"
        first = _first_word(code)
    if first == "FROM":
        return "INSERT" if "INSERT" in _WORD.findall(code) else "SELECT"
    return first


def _first_word(code: str) -> str:
    found = _WORD.search(code)
    return found[0] if found else ""


def _code(statement: str) -> str:
    """The statement in upper case, with question marks for literals and quoted names, without comments and hints."""
    pieces = []
    for token in tokens(statement):
        if token.kind is SqlTokenKind.CODE:
            pieces.append(token.text)
        else:
            pieces.append(" " if token.kind is SqlTokenKind.COMMENT else " ? ")
    return _HINT.sub(" ", "".join(pieces)).upper()
