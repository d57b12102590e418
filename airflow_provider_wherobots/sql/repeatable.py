"""Which statements may be executed twice, because the second time changes nothing that the first has not changed."""

from __future__ import annotations

import re

from airflow_provider_wherobots.sql.lexer import SqlTokenKind, Token, tokens

_WORD = re.compile(r"[A-Za-z_]\w*")
_PART = r"(?:\w+|`(?:[^`]|``)*`)"
_NAME = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*")
_REPLACED = re.compile(
    r"\s*(?:DELETE\s+FROM|INSERT\s+OVERWRITE(?:\s+TABLE)?|CREATE\s+OR\s+REPLACE\s+(?:\w+\s+){0,2}?(?:TABLE|VIEW)|"
    rf"TRUNCATE\s+TABLE|DROP\s+(?:TABLE|VIEW)\s+IF\s+EXISTS)\s+(?P<name>{_NAME.pattern})",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\b(?:AS|SELECT|FROM)\b", re.IGNORECASE)
_HINT = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_OF_SESSION = re.compile(
    r"\s*(?:(?:USE|SET|RESET)\b|CREATE\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+)?TEMP(?:ORARY)?\s+(?:VIEW|FUNCTION)\b)",
    re.IGNORECASE,
)
_ANY_NAME = ["IDENTIFIER"]
"""``IDENTIFIER('t')`` may be the name of any table."""
_READ = frozenset(
    {"SELECT", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "USE", "SET", "RESET", "REFRESH", "ANALYZE"}
)
_QUOTED = re.compile(r"`(?:[^`]|``)*`")
_WRITE = frozenset({"INSERT", "MERGE", "UPDATE", "DELETE"})


class Repeatability:
    """Which statements of a task may be executed again, in the order of their execution.

    One that deletes or replaces what a statement before it has read must not be, if that one would be executed again
    too, and writes: ``CREATE OR REPLACE TABLE u AS SELECT n + 1 FROM t``, and then ``INSERT OVERWRITE t SELECT * FROM
    u``, or ``TRUNCATE TABLE t``.
    """

    def __init__(self) -> None:
        self.has_written = False
        """Whether a statement that must not be executed again has succeeded."""
        self._read: list[list[str]] = []

    def may_repeat(self, statement: str) -> bool:
        """Whether the next statement may be executed again."""
        code = _code(statement)
        if not _may_repeat(code) or self._replaces_what_was_read(code):
            # Once it has succeeded, those before it are not executed again.
            self._read = []
            return False
        if not _only_reads(code):
            self._read += _read_by(code)
        return True

    def _replaces_what_was_read(self, code: str) -> bool:
        if not self._read or (found := _REPLACED.match(code)) is None:
            return False
        target = _parts(found["name"])
        return any(_may_be_same(target, name) for name in self._read)


def may_repeat(statement: str) -> bool:
    """Whether a statement may be executed again although it may have been executed before.

    That is one that only reads, deletes or replaces, or that does nothing the second time: ``SELECT``, ``SHOW``,
    ``DELETE``, ``TRUNCATE``, ``INSERT OVERWRITE``, ``CREATE OR REPLACE``, ``CREATE … IF NOT EXISTS``, ``DROP … IF
    EXISTS``. No other may, nor one that reads what it deletes or replaces.
    """
    return _may_repeat(_code(statement))


def _may_repeat(code: str) -> bool:
    words = _words(code)
    first, second = (*words, "", "")[:2]
    if _only_reads(code):
        return True
    if first == "INSERT":
        return second == "OVERWRITE" and not _reads_its_target(code)
    if first in ("DELETE", "TRUNCATE"):
        return not _reads_its_target(code)
    if first == "CREATE":
        return (second == "OR" and not _reads_its_target(code)) or _follows(words, "IF", "NOT", "EXISTS")
    return first == "DROP" and _follows(words, "IF", "EXISTS")


def only_reads(statement: str) -> bool:
    """Whether a statement changes no table."""
    return _only_reads(_code(statement))


def changes_session(statement: str) -> bool:
    """Whether a statement changes nothing but its session: ``USE``, ``SET``, ``CREATE TEMPORARY VIEW``."""
    return _OF_SESSION.match(_code(statement)) is not None


def _only_reads(code: str) -> bool:
    words = _words(code)
    if words[:1] == ["WITH"]:
        unquoted = set(_words(_HINT.sub(" ", _QUOTED.sub(" ", code))))
        return "SELECT" in unquoted and not _WRITE & unquoted
    return bool(_READ.intersection(words[:1]))


def _words(code: str) -> list[str]:
    return [found.upper() for found in _WORD.findall(code)]


def _code(statement: str) -> str:
    """The statement without its comments, and with question marks for its literals."""

    def shown(token: Token) -> str:
        if token.kind is SqlTokenKind.COMMENT:
            return " "
        return token.text if token.kind in (SqlTokenKind.CODE, SqlTokenKind.NAME) else " ? "

    return "".join(map(shown, tokens(statement)))


def _reads_its_target(code: str) -> bool:
    """Whether the name of what it deletes from or replaces comes again: ``INSERT OVERWRITE t SELECT n + 1 FROM t``."""
    if (found := _REPLACED.match(code)) is None:
        return False
    target = _parts(found["name"])
    return target == _ANY_NAME or any(_may_be_same(target, name) for name in _names(code, found.end()))


def _read_by(code: str) -> list[list[str]]:
    """The names in the query of a statement that writes."""
    target = _REPLACED.match(code)
    query = _QUERY.search(code, target.end() if target else 0)
    return _names(code, query.end()) if query else []


def _names(code: str, start: int) -> list[list[str]]:
    return [_parts(name) for name in _NAME.findall(code, start)]


def _parts(name: str) -> list[str]:
    return [part.strip("`").upper() for part in re.findall(_PART, name)]


def _may_be_same(one: list[str], other: list[str]) -> bool:
    """Whether two names may be those of one table: either may leave out the catalog and the schema."""
    shared = min(len(one), len(other))
    return _ANY_NAME in (one, other) or one[-shared:] == other[-shared:]


def _follows(words: list[str], *phrase: str) -> bool:
    """Whether the phrase is at the beginning, where a name cannot be yet: ``CREATE TEMPORARY VIEW IF NOT EXISTS``."""
    return any(tuple(words[start : start + len(phrase)]) == phrase for start in range(2, 5))
