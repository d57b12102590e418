"""Which statements may be executed twice, because the second time changes nothing that the first has not changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from airflow_provider_wherobots.sql.lexer import SqlTokenKind, Token, tokens

_WORD = re.compile(r"[A-Za-z_]\w*")
_PART = r"(?:\w+|`(?:[^`]|``)*`)"
_NAME = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*")
_TARGET = re.compile(
    r"\s*(?:DELETE\s+FROM|INSERT\s+OVERWRITE(?:\s+TABLE)?|TRUNCATE\s+TABLE|(?P<rebuilds>CREATE\s+OR\s+REPLACE\s+"
    r"(?:\w+\s+){0,2}?(?:TABLE|VIEW)|DROP\s+(?:TABLE|VIEW)\s+IF\s+EXISTS))\s+"
    rf"(?P<name>{_NAME.pattern})",
    re.IGNORECASE,
)
_VIEW = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:\w+\s+){0,2}?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?" rf"(?P<name>{_NAME.pattern})",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\b(?:AS|SELECT|FROM)\b", re.IGNORECASE)
_QUERY_AFTER_TARGET = re.compile(r"\b(?:AS|SELECT|FROM|TABLE)\b", re.IGNORECASE)
_HINT = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_QUOTED = re.compile(r"`(?:[^`]|``)*`")
_ANY_TABLE = re.compile(r"\bIDENTIFIER\s*\(", re.IGNORECASE)
_ANY = "__ANY__"
"""Stands for what ``IDENTIFIER('t')`` names, which may be any table."""
_READ = frozenset(
    {"SELECT", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "USE", "SET", "RESET", "REFRESH", "ANALYZE"}
)
_OF_SESSION = frozenset({"USE", "SET", "RESET"})
_WRITE = frozenset({"INSERT", "MERGE", "UPDATE", "DELETE"})

Name: TypeAlias = tuple[str, ...]


class Repeatability:
    """Which statements of a task may be executed again, in the order of their execution.

    A retry executes again what follows the last write. In that, a statement must not replace, or delete from, a table
    that one before it copies from: ``CREATE OR REPLACE TABLE u AS SELECT n + 1 FROM t``, and then ``INSERT OVERWRITE t
    SELECT * FROM u``, or ``TRUNCATE TABLE t``. It may if a statement before both rebuilds ``t``. What is read through a
    view is read from the view's tables.
    """

    def __init__(self) -> None:
        self.has_written = False
        """Whether a statement that must not be executed again has or may have succeeded."""
        self._views: list[tuple[Name, _Names]] = []
        self._copied, self._rebuilt = _Names(), _Names()

    def may_repeat(self, statement: str) -> bool:
        """Whether the next statement may be executed again."""
        code = _code(statement)
        names, found = self._through_views(_read_by(code)), _TARGET.match(code)
        target = _parts(found["name"]) if found else None
        view = _VIEW.match(code)
        if view is not None:
            self._views.append((_parts(view["name"]), names))
        replaces_what_is_read = target in self._copied or (view is None and target in names)
        if replaces_what_is_read or not _may_repeat(code):
            # Once it has succeeded, what is before it is not executed again.
            self._copied, self._rebuilt = _Names(), _Names()
            return False
        if view is None and not _only_reads(code):
            self._copied.add(name for name in names if name not in self._rebuilt)
        if target and found and found["rebuilds"]:
            self._rebuilt.add([target])
        return True

    def _through_views(self, names: _Names) -> _Names:
        for view, read in self._views:
            if view in names:
                names.add(read)
        return names


class _Names:
    """Names of tables. One may be the same as another that leaves out the catalog and the schema."""

    def __init__(self, names: Iterable[Name] = ()) -> None:
        self._by_last: dict[str, set[Name]] = {}
        self.add(names)

    def add(self, names: Iterable[Name]) -> None:
        for name in list(names):
            self._by_last.setdefault(name[-1], set()).add(name)

    def __iter__(self) -> Iterator[Name]:
        return (name for names in self._by_last.values() for name in names)

    def __contains__(self, name: Name | None) -> bool:
        if name is None:
            return False
        if name == (_ANY,) or _ANY in self._by_last:
            return bool(self._by_last)
        return any(_may_be_same(name, other) for other in self._by_last.get(name[-1], ()))


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
    """Whether a statement changes how those after it are executed, and nothing else: ``USE``, ``SET``, ``RESET``."""
    return bool(_OF_SESSION.intersection(_words(_code(statement))[:1]))


def creates_view(statement: str) -> bool:
    """Whether a statement creates a view, which changes no row."""
    return _VIEW.match(_code(statement)) is not None


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

    return _ANY_TABLE.sub(f"{_ANY} (", "".join(map(shown, tokens(statement))))


def _reads_its_target(code: str) -> bool:
    """Whether the name of what it deletes from or replaces comes again: ``INSERT OVERWRITE t SELECT n + 1 FROM t``."""
    if (found := _TARGET.match(code)) is None:
        return False
    target = _parts(found["name"])
    return target == (_ANY,) or target in _Names(map(_parts, _NAME.findall(code, found.end())))


def _read_by(code: str) -> _Names:
    """The names in the query of a statement."""
    target = _TARGET.match(code)
    query = _QUERY_AFTER_TARGET.search(code, target.end()) if target else _QUERY.search(code)
    return _Names(map(_parts, _NAME.findall(code, query.end()))) if query else _Names()


def _parts(name: str) -> Name:
    return tuple(part.strip("`").upper() for part in re.findall(_PART, name))


def _may_be_same(one: Name, other: Name) -> bool:
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _follows(words: list[str], *phrase: str) -> bool:
    """Whether the phrase is at the beginning, where a name cannot be yet: ``CREATE TEMPORARY VIEW IF NOT EXISTS``."""
    return any(tuple(words[start : start + len(phrase)]) == phrase for start in range(2, 5))
