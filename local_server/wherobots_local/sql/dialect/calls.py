"""The lists of functions, and calls of functions of DuckDB and of macros."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlglot import exp

from wherobots_local.sql.dialect.errors import failed, unsupported

ANY = 1_000_000
"""More arguments than a statement has."""


def _read(section: str) -> list[str]:
    """Return the entries of a section of ``functions.txt``, which says what they are."""
    _, _, found = _LISTS.partition(f"[{section}]\n")
    lines = found.partition("\n[")[0].splitlines()
    return " ".join(line for line in lines if not line.startswith("#")).split()


def _counted(section: str) -> dict[str, tuple[str, int, int]]:
    """Return names, each with the function of DuckDB, and the least and the most arguments."""
    found = {}
    for entry in _read(section):
        names, _, counts = entry.partition("/")
        name, _, written = names.partition("=")
        least, _, most = counts.partition("-")
        found[name] = written or name, int(least or 1), ANY if most == "*" else int(most or least or 1)
    return found


_LISTS = Path(__file__).with_name("functions.txt").read_text(encoding="utf-8")
SCALARS = _counted("scalars")
AGGREGATES = _counted("aggregates")
RENAMED = dict(entry.split("=") for entry in _read("other names"))
TEXTS = {name: tuple(map(int, places)) for name, _, places in (entry.partition(":") for entry in _read("texts"))}
_TO_TEXT = frozenset(_read("to text"))
REFUSED = frozenset(_read("refused"))
_OF_LISTS = ("explode", "inline", "posexplode")
GENERATORS = frozenset((*_OF_LISTS, *(f"{name}_outer" for name in _OF_LISTS), "json_tuple", "stack"))
"""Functions that make rows."""


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a function of DuckDB, which statements cannot call by this name."""
    made = exp.Anonymous(this=name, expressions=list(arguments))
    made.meta["is_written"] = True
    return made


def macro(name: str, *arguments: exp.Expr) -> exp.Expr:
    made = call(name, *arguments)
    made.meta["is_macro"] = True
    return made


def name_of_call(node: exp.Expr | None) -> str:
    """Return the name of a function in a statement, or of one that a rule has written."""
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else ""


def check_fields(values: Iterable[exp.Expr | None]) -> None:
    """Refuse structs beside each other with different fields: DuckDB makes one struct of all fields."""
    structs = [value for value in values if isinstance(value, exp.Struct)]
    if len({tuple(field.name.lower() for field in struct.expressions) for struct in structs}) > 1:
        raise unsupported("structs with different fields beside each other")


def check_count(name: str, arguments: list[exp.Expr], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        wanted = least if least == most else f"{least} to {most}"
        raise failed(
            "WRONG_NUM_ARGS",
            f"The `{name}` requires {wanted} parameters but the actual number is {len(arguments)}.",
            "42605",
        )


def as_text(value: exp.Expr) -> exp.Expr:
    """Return a value as text: one that Spark would write in another way is refused."""
    return value if is_text(value) or isinstance(value, exp.Null) else macro("_joined", value)


def is_text(value: exp.Expr) -> bool:
    """Whether a value is certainly a text."""
    return (isinstance(value, exp.Literal) and bool(value.is_string)) or name_of_call(value) in _TO_TEXT
