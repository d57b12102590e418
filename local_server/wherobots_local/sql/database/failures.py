"""DuckDB's errors in Spark's words, where the service has an error for the same."""

from __future__ import annotations

import re

import duckdb

from wherobots_local.sql.dialect.errors import StatementError

_KNOWN: tuple[tuple[str, str], ...] = (
    # What macros raise with error() is of Spark's kind already.
    (r"^Invalid Input Error: (?P<own>\[[A-Z_.]+\] .*)", "{own}"),
    (
        r"Table with name (?P<name>.+?) does not exist",
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `{name}` cannot be found. SQLSTATE: 42P01",
    ),
    (
        r"Referenced (?:update )?(?:column|table) \"?(?P<name>[^\"\s]+)\"? (?:was )?not found[^\n]*"
        r"(?:\n(?:[^\n]*\n)*?(?:Candidate bindings|Did you mean|Candidate tables): (?P<fields>[^\n]+))?",
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `{name}` cannot be"
        " resolved. Did you mean one of the following? [{fields}] SQLSTATE: 42703",
    ),
    (
        r"does not have a column (?:named|with name) \"(?P<name>[^\"]+)\"",
        "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name `{name}` cannot be"
        " resolved. SQLSTATE: 42703",
    ),
    (
        r"Ambiguous reference to column name \"(?P<name>[^\"]+)\"",
        "[AMBIGUOUS_REFERENCE] Reference `{name}` is ambiguous. SQLSTATE: 42704",
    ),
    (
        r"(?:Table|table) \"?(?P<name>[^\"\s]+)\"? has (?P<has>\d+) columns but (?P<given>\d+) values were supplied",
        "[INSERT_COLUMN_ARITY_MISMATCH] Cannot write to `{name}`: it has {has} columns, and the data has {given}."
        " SQLSTATE: 21S01",
    ),
    (
        r"Could not convert string '(?P<value>.*)' to (?P<type>\S+)",
        '[CAST_INVALID_INPUT] The value \'{value}\' of the type "STRING" cannot be cast to "{type}" because it is'
        " malformed. Use try_cast to tolerate malformed input and return NULL instead. SQLSTATE: 22018",
    ),
    (
        r"invalid (?:date|timestamp) field format: \"(?P<value>[^\"]*)\"",
        "[CAST_INVALID_INPUT] The value '{value}' of the type \"STRING\" cannot be cast to a date or time because it is"
        " malformed. SQLSTATE: 22018",
    ),
    (
        r"(?:'(?P<one>EPSG:\d+)'[^\n]*'(?P<other>EPSG:\d+)')",
        "[UNSUPPORTED_FEATURE] The local server does not support several SRIDs in one column or call: {one}, {other}."
        " Use ST_Transform or ST_SetSRID. SQLSTATE: 0A000",
    ),
    (
        r"CRS argument must be constant",
        "[UNSUPPORTED_FEATURE] The local server supports literals only for an SRID and EWKT. SQLSTATE: 0A000",
    ),
    (
        r"Source geometry must have a coordinate reference system",
        "[INVALID_PARAMETER_VALUE] The geometry has no SRID: use ST_SetSRID, or name the source. SQLSTATE: 22023",
    ),
    (r"Invalid Input Error: (?P<why>Expected [^\n]*)", "[INVALID_WKT] The text is not WKT: {why} SQLSTATE: 22023"),
    (
        r"Ambiguous reference to table",
        "[AMBIGUOUS_REFERENCE] Two tables have one name: give an alias. SQLSTATE: 42704",
    ),
    (r"(?P<why>[^\n]*can't be cast because the value is out of range[^\n]*)", "[CAST_OVERFLOW] {why} SQLSTATE: 22003"),
    (
        r"column \"(?P<name>[^\"]+)\" must appear in the GROUP BY",
        "[MISSING_AGGREGATION] The column `{name}` is neither grouped nor in an aggregate function. SQLSTATE: 42803",
    ),
    (r"(?P<why>Macro [^\n]* does not support the supplied arguments)", "[WRONG_NUM_ARGS] {why}. SQLSTATE: 42605"),
    (r"(?P<why>Could not choose a best candidate function[^\n]*)", "[DATATYPE_MISMATCH] {why} SQLSTATE: 42K09"),
    (r"infinite recursion", "[RECURSIVE_VIEW] The view would refer to itself. SQLSTATE: 42K0H"),
    (
        r"Integer value.* out of bounds|not in range: ",
        "[ARITHMETIC_OVERFLOW] A sum is too large for bigint. SQLSTATE: 22003",
    ),
    (
        r"NOT NULL constraint failed: (?P<name>\S+)",
        "[NOT_NULL_CONSTRAINT_VIOLATION.TABLE] {name} must not be NULL. SQLSTATE: 42000",
    ),
    (
        r"[Cc]olumn with name \"?(?P<name>[^\"\s]+)\"? already exists",
        "[COLUMN_ALREADY_EXISTS] The column `{name}` already exists. SQLSTATE: 42711",
    ),
    (
        r"More than one row returned by a subquery",
        "[SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery. SQLSTATE: 21000",
    ),
    (
        r"WHERE clause cannot contain aggregates",
        "[INVALID_WHERE_CONDITION] WHERE must not have aggregate functions. SQLSTATE: 42903",
    ),
    (
        r"Set operations can only apply to expressions with the same number",
        "[NUM_COLUMNS_MISMATCH] The queries have different numbers of columns. SQLSTATE: 42826",
    ),
    (r"^Parser Error: (?P<why>[^\n]*)", "[PARSE_SYNTAX_ERROR] {why} SQLSTATE: 42601"),
    (r"Out of Range Error: (?P<why>[^\n]*)", "[ARITHMETIC_OVERFLOW] {why} SQLSTATE: 22003"),
    (
        r"(?:Scalar|Aggregate|Table) Function with name \"?(?P<name>[^\"\s]+)\"? does not exist",
        "[UNRESOLVED_ROUTINE] Cannot resolve routine `{name}`. SQLSTATE: 42883",
    ),
    (
        r"Conversion Error: (?P<why>[^\n]*)",
        "[CAST_INVALID_INPUT] {why} SQLSTATE: 22018",
    ),
    (
        r"No function matches the given name and argument types '(?P<call>[^\n]*)'",
        "[DATATYPE_MISMATCH] Cannot resolve {call} due to a data type mismatch. SQLSTATE: 42K09",
    ),
    (
        r"Out of Memory Error: (?P<why>[^\n]*)",
        "[OUT_OF_MEMORY] The statement needs more memory than the local server gives to all statements. {why}",
    ),
    (
        r"Permission Error: (?P<why>[^\n]*)",
        "[UNSUPPORTED_FEATURE] The local server does not support access outside its root. SQLSTATE: 0A000",
    ),
)


def failure_text(error: BaseException) -> str:
    """Return the text of an error for the client."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, StatementError):
        return text
    for pattern, template in _KNOWN:
        if (match := re.search(pattern, text, re.DOTALL if "(?P<own>" in pattern else 0)) is not None:
            return template.format(**{name: value or "" for name, value in match.groupdict().items()})
    kind = "" if isinstance(error, duckdb.Error) else f"{type(error).__name__}: "
    return f"[INTERNAL_ERROR] {kind}{text} SQLSTATE: XX000"
