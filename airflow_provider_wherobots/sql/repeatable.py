"""Which statements may be executed twice, because the second time changes nothing that the first has not changed."""

from __future__ import annotations

import re

from airflow_provider_wherobots.sql.lexer import SqlTokenKind, Token, tokens

_WORD = re.compile(r"[A-Za-z_]\w*")
_PART = r"(?:\w+|`(?:[^`]|``)*`)"
_NAME = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*")
_REPLACED = re.compile(
    r"\s*(?:DELETE\s+FROM|INSERT\s+OVERWRITE(?:\s+TABLE)?|CREATE\s+OR\s+REPLACE\s+(?:\w+\s+){0,2}?(?:TABLE|VIEW))\s+"
    rf"(?P<name>{_NAME.pattern})",
    re.IGNORECASE,
)
_READ = frozenset(
    {"SELECT", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "USE", "SET", "RESET", "REFRESH", "ANALYZE"}
)
_WRITE = frozenset({"INSERT", "MERGE", "UPDATE", "DELETE"})


def may_repeat(statement: str) -> bool:
    """Whether a statement may be executed again although it may have been executed before.

    That is one that only reads, deletes or replaces, or that does nothing the second time: ``SELECT``, ``SHOW``,
    ``DELETE``, ``TRUNCATE``, ``INSERT OVERWRITE``, ``CREATE OR REPLACE``, ``CREATE … IF NOT EXISTS``, ``DROP … IF
    EXISTS``. No other may, nor one that reads what it deletes or replaces.
    """
    code = _code(statement)
    words = _words(code)
    first, second = (*words, "", "")[:2]
    if _only_reads(words):
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
    return _only_reads(_words(_code(statement)))


def _only_reads(words: list[str]) -> bool:
    if words[:1] == ["WITH"]:
        return "SELECT" in words and not _WRITE.intersection(words)
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
    return any(_may_be_same(target, _parts(name)) for name in _NAME.findall(code, found.end()))


def _parts(name: str) -> list[str]:
    return [part.strip("`").upper() for part in re.findall(_PART, name)]


def _may_be_same(one: list[str], other: list[str]) -> bool:
    """Whether two names may be those of one table: either may leave out the catalog and the schema."""
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _follows(words: list[str], *phrase: str) -> bool:
    """Whether the phrase is at the beginning, where a name cannot be yet: ``CREATE TEMPORARY VIEW IF NOT EXISTS``."""
    return any(tuple(words[start : start + len(phrase)]) == phrase for start in range(2, 5))
