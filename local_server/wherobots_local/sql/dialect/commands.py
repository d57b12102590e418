"""SHOW, DESCRIBE, EXPLAIN, USE and SET, which sqlglot reads in part or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError

from wherobots_local.sql.dialect.errors import syntax_error, unsupported
from wherobots_local.sql.dialect.parser import ServiceSql, read

Name = tuple[str, ...]
"""A table, view or schema: one to three parts in lower case, the last of which is its own name."""

_NAME = r"(?:`(?:[^`]|``)*`|[^\s'\"`;.]+)"
_NAMES = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_SHOW = re.compile(
    rf"(?P<what>CATALOGS|SCHEMAS|DATABASES|NAMESPACES|TABLES|TABLE\s+EXTENDED|VIEWS)"
    rf"(?:\s+(?:IN|FROM)\s+(?P<within>(?!LIKE\b){_NAMES}))?(?:\s+(?:LIKE\s+)?(?P<quote>['\"])(?P<pattern>.*)(?P=quote))?",
    re.IGNORECASE | re.DOTALL,
)
_SHOW_OF = re.compile(
    rf"(?P<what>COLUMNS|TBLPROPERTIES)\s+(?:(?:IN|FROM)\s+)?(?P<name>{_NAMES})"
    rf"(?:\s+(?:IN|FROM)\s+(?P<within>{_NAMES}))?(?:\s*\(.*\))?",
    re.IGNORECASE | re.DOTALL,
)
_USE = re.compile(rf"(?:(?:SCHEMA|DATABASE|NAMESPACE|CATALOG)\s+)?(?P<name>{_NAMES})", re.IGNORECASE)
_WITHOUT_EFFECT = ("ANALYZE", "CACHE", "CLEAR", "MSCK", "OPTIMIZE", "REFRESH", "UNCACHE", "VACUUM")


@dataclass(frozen=True, slots=True)
class Show:
    """List ``catalogs``, ``schemas``, ``tables``, ``table extended``, ``views``, or of a table ``columns`` or
    ``tblproperties``.

    :param within: catalog, schema, or the table; empty for the current one.
    :param pattern: Spark's pattern of names, with ``*`` and ``|``; None for all.
    """

    what: str
    within: Name = ()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    """List the columns of a table or view.

    :param extended: whether what else is known of it follows.
    """

    name: Name
    extended: bool


@dataclass(frozen=True, slots=True)
class Explain:
    """Show the plan of a query."""

    query: exp.Expr


@dataclass(frozen=True, slots=True)
class UseSchema:
    """Make a catalog or schema the current one."""

    name: Name


@dataclass(frozen=True, slots=True)
class SetOption:
    """Set an option of the session, and show it.

    :param value: None to show it only.
    """

    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class DoNothing:
    """Succeed without an effect: the statement only makes something faster on the service."""


Command = Show | Describe | Explain | UseSchema | SetOption | DoNothing


def read_command(text: str) -> Command | None:
    """Read one of these statements.

    :returns: None for another statement.
    :raises StatementError: if it is wrong, or not supported.
    """
    bare = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", "", text, flags=re.DOTALL)
    bare = re.sub(r"[\s;]+\Z", "", bare)
    word, _, rest = _split(bare)
    match word:
        case "SHOW":
            return _show(rest)
        case "DESCRIBE" | "DESC":
            return _describe(rest)
        case "EXPLAIN":
            return _explain(rest)
        case "USE":
            return UseSchema(_name(_matched(_USE, rest, "USE")["name"]))
        case "SET":
            return _set(rest)
        case _ if word in _WITHOUT_EFFECT:
            if word == "CACHE" and re.search(r"\sAS\s", rest, re.IGNORECASE):
                raise unsupported("CACHE TABLE ... AS", "use CREATE TEMPORARY VIEW")
            return DoNothing()
    return None


def _show(rest: str) -> Command:
    if (of_table := _SHOW_OF.fullmatch(rest)) is not None:
        name = _name(of_table["name"])
        return Show(of_table["what"].lower(), (*_name(of_table["within"] or ""), *name))
    found = _SHOW.fullmatch(rest)
    if found is None:
        raise unsupported(f"SHOW {rest[:40]}")
    what = " ".join(found["what"].lower().split())
    what = "schemas" if what in ("databases", "namespaces") else what
    return Show(what, _name(found["within"] or ""), found["pattern"])


def _describe(rest: str) -> Command:
    found = re.fullmatch(
        rf"(?:TABLE\s+)?(?P<extended>(?:EXTENDED|FORMATTED)\s+)?(?P<name>{_NAMES})", rest, re.IGNORECASE
    )
    if found is None:
        raise unsupported(f"DESCRIBE {rest[:40]}", "it describes tables and views")
    return Describe(_name(found["name"]), bool(found["extended"]))


def _explain(rest: str) -> Command:
    word, _, query = _split(rest)
    tree = read(query if word in ("EXTENDED", "CODEGEN", "COST", "FORMATTED") else rest)
    if not isinstance(tree, exp.Query | exp.Values):
        raise unsupported("EXPLAIN of what is no query")
    return Explain(tree)


def _set(rest: str) -> Command:
    if _split(rest)[0] == "CATALOG":
        return UseSchema(_name(_split(rest)[2]))
    key, equals, value = rest.partition("=")
    if not re.fullmatch(r"[\w.\-]+", key.strip()):
        raise unsupported(f"SET {rest[:40]}", "use SET key = value")
    return SetOption(key.strip(), re.sub(r"\A(['\"])(.*)\1\Z", r"\2", value.strip()) if equals else None)


def _name(text: str) -> Name:
    if not text:
        return ()
    try:
        table = exp.to_table(text, dialect=ServiceSql)
    except ParseError:
        raise syntax_error("expected a name", text[:40]) from None
    return name_of(table)


def name_of(table: exp.Table) -> Name:
    """Return the name of a table, view or schema.

    :raises StatementError: if a part is empty, or there are too many.
    """
    parts = tuple(part.name.lower() for part in table.parts)
    if len(parts) > 3:
        raise syntax_error("a name has three parts at most", parts[-1])
    if not all(parts):
        raise syntax_error("a name is empty", "``")
    return parts


def _split(text: str) -> tuple[str, str, str]:
    word, space, rest = re.fullmatch(r"(\w*)(\s*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return word.upper(), space, rest


def _matched(pattern: re.Pattern[str], text: str, what: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise syntax_error(f"{what} is not complete", text[:40])
    return found
