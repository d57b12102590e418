"""What the translation knows of sqlglot's trees. A node or an argument that is not here is refused: sqlglot and DuckDB
would leave some of them out without a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.tokenizer_core import Token, TokenType

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
_SILENT = _KNOWN.pop("silent words")
_WORDS = (TokenType.VAR, TokenType.IDENTIFIER)
_LITERAL_TOKENS = (TokenType.NUMBER, TokenType.STRING, TokenType.RAW_STRING, TokenType.HEX_STRING)
_LITERALS = (exp.Literal, exp.HexString, exp.RawString)


def check(tree: exp.Expr) -> None:
    """Refuse a tree with a node, or an argument of a node, that is not known."""
    for node in tree.walk():
        known = _KNOWN.get(type(node).__name__)
        if known is None:
            raise unsupported(_shown(node))
        for argument, value in node.args.items():
            if value not in (None, False, []) and argument not in known:
                raise unsupported(f"{argument.strip('_').replace('_', ' ').upper()} in {_shown(node)}")


def check_whole(tree: exp.Expr, tokens: Sequence[Token]) -> None:
    """Refuse a tree without all words and literals of the statement: sqlglot leaves some out silently."""
    words = {token.text.lower() for token in tokens if token.token_type in _WORDS}
    if lost := words - _SILENT - _words(tree):
        raise unsupported(f"{min(lost)[:40]!r} here")
    literals = sum(token.token_type in _LITERAL_TOKENS for token in tokens)
    if literals > sum(isinstance(node, _LITERALS) for node in tree.walk()):
        raise unsupported("a part of this statement")


def _words(tree: exp.Expr) -> set[str]:
    """Return all words in a tree, in lower case."""
    found: set[str] = set()
    for node in tree.walk():
        for value in node.args.values():
            if isinstance(value, exp.DType):
                found.add(value.value.lower())
            elif isinstance(value, str):
                found |= {value.lower(), *value.lower().split()}
    return found


def _shown(node: exp.Expr) -> str:
    try:
        return " ".join(node.sql(Spark, comments=False).split())[:60]
    except Exception:  # sqlglot writes what it has read, except for a few things that it has no words for.
        return type(node).__name__
