"""DuckDB's errors with the error class and SQLSTATE of the service."""

from __future__ import annotations

import re

import duckdb

from wherobots_local.sql.dialect.errors import StatementError

# What DuckDB says of a column that is unknown, and that is selected without an alias.
_UNKNOWN = r" referenced that exists in the SELECT clause - .*"
# A pattern of DuckDB's message, Spark's error class, and its SQLSTATE. The first match counts.
_KNOWN = (
    (r"Table with name .+ does not exist", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    (r"Referenced (?:update )?(?:column|table) .* (?:was )?not found", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
    (_UNKNOWN, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
    (r"does not have a column (?:named|with name)", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703"),
    (r"Ambiguous reference to", "AMBIGUOUS_REFERENCE", "42704"),
    (r"has \d+ columns but \d+ values were supplied", "INSERT_COLUMN_ARITY_MISMATCH", "21S01"),
    (r"'EPSG:\d+'.*'EPSG:\d+'|CRS argument must be constant|Permission Error", "UNSUPPORTED_FEATURE", "0A000"),
    (r"Source geometry must have a coordinate reference system", "INVALID_PARAMETER_VALUE", "22023"),
    (r"Invalid Input Error: Expected ", "INVALID_WKT", "22023"),
    # For example a sum that is too large for a bigint.
    (r"Type INT128 with value", "ARITHMETIC_OVERFLOW", "22003"),
    (r"can't be cast because the value is out of range", "CAST_OVERFLOW", "22003"),
    (r"must appear in the GROUP BY", "MISSING_AGGREGATION", "42803"),
    (r"Macro .* does not support the supplied arguments", "WRONG_NUM_ARGS", "42605"),
    (r"Could not choose a best candidate|No function matches", "DATATYPE_MISMATCH", "42K09"),
    (r"infinite recursion", "RECURSIVE_VIEW", "42K0H"),
    (r"NOT NULL constraint failed", "NOT_NULL_CONSTRAINT_VIOLATION.TABLE", "42000"),
    (r"[Cc]olumn with name .* already exists", "COLUMN_ALREADY_EXISTS", "42711"),
    (r"More than one row returned by a subquery", "SCALAR_SUBQUERY_TOO_MANY_ROWS", "21000"),
    (r"WHERE clause cannot contain aggregates", "INVALID_WHERE_CONDITION", "42903"),
    (r"Set operations can only apply to expressions with the same number", "NUM_COLUMNS_MISMATCH", "42826"),
    (r"Function with name .* does not exist", "UNRESOLVED_ROUTINE", "42883"),
    (r"Parser Error", "PARSE_SYNTAX_ERROR", "42601"),
    (r"Out of Range Error", "ARITHMETIC_OVERFLOW", "22003"),
    (r"Conversion Error|invalid (?:date|timestamp) field format", "CAST_INVALID_INPUT", "22018"),
    (r"Out of Memory Error|bad_alloc|[Aa]llocat", "OUT_OF_MEMORY", "53200"),
)


def failure_text(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, StatementError):
        return text
    if re.search("No space left on device|Disk quota exceeded", text):
        return "[DISK_FULL] The disk of the local server is full. SQLSTATE: 53100"
    kind, _, message = text.partition(" Error: ") if isinstance(error, duckdb.Error) else ("", "", text)
    if kind == "Invalid Input" and re.match(r"\[[A-Z_.]+\] ", message):
        # Macros raise errors of Spark with error().
        return message
    why = re.split(r"\s*\n\s*(?:LINE \d|Candidate (?:functions|macros))", message or text)[0]
    for pattern, name, state in _KNOWN:
        if re.search(pattern, text):
            why = re.sub(_UNKNOWN, " cannot be resolved.", why)
            return f"[{name}] {why} SQLSTATE: {state}"
    if isinstance(error, MemoryError):
        return f"[OUT_OF_MEMORY] {text} SQLSTATE: 53200"
    if isinstance(error, duckdb.Error):
        return f"[UNSUPPORTED_FEATURE] The local server does not support this: {why} SQLSTATE: 0A000"
    return "[INTERNAL_ERROR] The local server failed. SQLSTATE: XX000"
