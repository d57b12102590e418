"""Errors of statements in Spark's words. Source: Spark's error conditions."""

from __future__ import annotations

from collections.abc import Sequence


class StatementError(Exception):
    """A statement is wrong or not supported. The client reads this text."""


def failed(condition: str, text: str, state: str) -> StatementError:
    return StatementError(f"[{condition}] {text} SQLSTATE: {state}")


def unsupported(what: str, instead: str = "") -> StatementError:
    """``instead`` is what works instead."""
    hint = f"; {instead}" if instead else ""
    return failed("UNSUPPORTED_FEATURE", f"The local server does not support {what}{hint}.", "0A000")


def syntax_error(why: str, near: str = "end of input") -> StatementError:
    return failed("PARSE_SYNTAX_ERROR", f"Syntax error at or near '{near}': {why}.", "42601")


def unresolved_routine(name: str) -> StatementError:
    return failed("UNRESOLVED_ROUTINE", f"Cannot resolve routine {quoted([name])}.", "42883")


def not_found(name: Sequence[str]) -> StatementError:
    return failed("TABLE_OR_VIEW_NOT_FOUND", f"The table or view {quoted(name)} cannot be found.", "42P01")


def schema_not_found(name: Sequence[str]) -> StatementError:
    """dbt recognises this error by the words of Iceberg."""
    text = f"The schema {quoted(name)} cannot be found. Namespace does not exist: {'.'.join(name)}."
    return failed("SCHEMA_NOT_FOUND", text, "42704")


def already_exists(name: Sequence[str]) -> StatementError:
    return failed("TABLE_OR_VIEW_ALREADY_EXISTS", f"The table or view {quoted(name)} already exists.", "42P07")


def quoted(name: Sequence[str]) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in name)
