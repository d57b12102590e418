"""The errors of statements, in Spark's words. Source: Spark's error conditions."""

from __future__ import annotations

from collections.abc import Sequence

_SPELLING = "Verify the spelling and correctness of the schema and catalog."


class StatementError(Exception):
    """A statement is wrong, or the local server does not support it. The text is what the client reads."""


def unsupported(what: str, instead: str = "") -> StatementError:
    """What the local server does not have, and what to do instead."""
    hint = f"; {instead}" if instead else ""
    return StatementError(f"[UNSUPPORTED_FEATURE] The local server does not support {what}{hint}. SQLSTATE: 0A000")


def syntax_error(why: str, near: str = "end of input") -> StatementError:
    """A text that is no statement."""
    return StatementError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{near}': {why}. SQLSTATE: 42601")


def unresolved_routine(name: str) -> StatementError:
    """A function that does not exist."""
    return StatementError(f"[UNRESOLVED_ROUTINE] Cannot resolve routine {quoted([name])}. SQLSTATE: 42883")


def not_found(name: Sequence[str]) -> StatementError:
    """A table or view that does not exist."""
    return StatementError(
        f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {quoted(name)} cannot be found. {_SPELLING} SQLSTATE: 42P01"
    )


def schema_not_found(name: Sequence[str]) -> StatementError:
    """A schema that does not exist. dbt knows the error by the words of Iceberg."""
    return StatementError(
        f"[SCHEMA_NOT_FOUND] The schema {quoted(name)} cannot be found. Namespace does not exist: {'.'.join(name)}."
        f" {_SPELLING} SQLSTATE: 42704"
    )


def already_exists(name: Sequence[str]) -> StatementError:
    """A table or view whose name is taken."""
    return StatementError(
        f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view {quoted(name)} because it already exists."
        " SQLSTATE: 42P07"
    )


def quoted(name: Sequence[str]) -> str:
    """Return a name as Spark's errors show it."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name)
