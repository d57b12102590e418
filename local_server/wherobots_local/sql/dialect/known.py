"""What the translation knows of sqlglot's trees. A node or an argument that is not here is refused: sqlglot and DuckDB
would leave some of them out without a word."""

from __future__ import annotations

from pathlib import Path

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.errors import unsupported

_KNOWN = {
    name: frozenset(arguments.split())
    for names, _, arguments in (
        line.partition(":")
        for line in Path(__file__).with_name("known.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    for name in names.split(", ")
}
"""The classes of ``known.txt``, with their arguments."""


def check(tree: exp.Expr) -> None:
    """Refuse a tree with a node, or an argument of a node, that is not known."""
    for node in tree.walk():
        known = _KNOWN.get(type(node).__name__)
        if known is None:
            raise unsupported(_shown(node))
        for argument, value in node.args.items():
            if value not in (None, False, []) and argument not in known:
                raise unsupported(f"{argument.strip('_').replace('_', ' ').upper()} in {_shown(node)}")


def _shown(node: exp.Expr) -> str:
    try:
        return " ".join(node.sql(Spark, comments=False).split())[:60]
    except Exception:  # sqlglot writes what it has read, except for a few things that it has no words for.
        return type(node).__name__
