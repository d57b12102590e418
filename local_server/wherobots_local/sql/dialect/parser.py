"""Parses a statement or a name in the service's dialect: Spark 4 in ANSI mode."""

from __future__ import annotations

import logging
import re
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.parsers.spark import SparkParser

from wherobots_local.sql.dialect.errors import failed, syntax_error, unsupported
from wherobots_local.sql.dialect.functions import OWN

# The vendor's dbt adapter writes this clause of INSERT OVERWRITE. sqlglot does not parse it, so it is removed.
_OVERWRITE_CLAUSE = re.compile(r"\bWITH\s*\(\s*'overwrite-mode'\s*=\s*'(\w+)'\s*\)", re.IGNORECASE)
_OVERWRITE = re.compile(r"(?:\s+|/\*.*?\*/|--[^\n]*\n)*INSERT\s+OVERWRITE\b", re.IGNORECASE | re.DOTALL)

# sqlglot warns about each Command. They are executed or refused here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

Name = tuple[str, ...]
"""The name of a table, view or schema: one to three parts in lower case."""


class ServiceSql(Spark):
    """Spark's SQL. A failed CAST is an error, not NULL, and ``OWN`` functions are not translated."""

    class Parser(SparkParser):
        STRICT_CAST = True
        FUNCTIONS: ClassVar = {name: build for name, build in SparkParser.FUNCTIONS.items() if name.lower() not in OWN}
        FUNCTION_PARSERS: ClassVar = {
            name: parse for name, parse in SparkParser.FUNCTION_PARSERS.items() if name.lower() not in OWN
        }
        # The name of a format may have several parts: ``USING havasu.iceberg``.
        PROPERTY_PARSERS: ClassVar = {
            **SparkParser.PROPERTY_PARSERS,
            "USING": lambda self: self.expression(exp.FileFormatProperty(this=self._parse_table_parts())),
        }


def read(text: str) -> exp.Expr:
    """Parse one statement, with or without a semicolon. What sqlglot does not parse, such as SHOW, is a ``Command``."""
    if (table := re.fullmatch(r"\s*TABLE\s+(.*)", text, re.IGNORECASE | re.DOTALL)) is not None:
        text = f"SELECT * FROM {table[1]}"
    mode = _OVERWRITE_CLAUSE.search(text) if _OVERWRITE.match(text) else None
    if mode is not None:
        text = text[: mode.start()] + text[mode.end() :]
    try:
        parsed = sqlglot.parse(text, read=ServiceSql)
    except RecursionError:
        raise unsupported("expressions nested this deeply") from None
    except TokenError as error:
        raise syntax_error("a quote or a comment is not closed", str(error).rpartition("'")[0][-20:]) from None
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        # The rest names classes of sqlglot.
        description = str(found.get("description", "")).partition(" but got ")[0]
        why = "something is missing" if "missing for" in description else description
        raise syntax_error(f"{why}, line {found.get('line', 1)}", found.get("highlight") or "end of input") from None
    statements = [found for found in parsed if found and not isinstance(found, exp.Semicolon)]
    if not statements:
        raise failed("PARSE_EMPTY_STATEMENT", "Syntax error, unexpected empty statement.", "42617")
    if len(statements) > 1:
        raise syntax_error("one statement at a time", statements[1].sql(ServiceSql)[:20])
    if mode is not None:
        statements[0].meta["overwrite-mode"] = mode[1]
    return statements[0]


def read_name(text: str) -> Name:
    try:
        return name_of(exp.to_table(text, dialect=ServiceSql))
    except SqlglotError:
        raise syntax_error("expected a name", text[:40]) from None


def name_of(table: exp.Expr) -> Name:
    """Return the name in a tree, after checking its parts."""
    parts = tuple(part.name.lower() for part in table.parts) if isinstance(table, exp.Table) else ()
    if not 1 <= len(parts) <= 3:
        raise syntax_error("a name has one to three parts", table.sql(ServiceSql)[:40])
    if not all(parts):
        raise syntax_error("a name is empty", "``")
    return parts
