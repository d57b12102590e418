"""The texts of errors: of the service's kind where SedonaDB's own say the same."""

from __future__ import annotations

import re

_KNOWN = (
    (
        r"table '(?P<name>[^']+)' not found",
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view {name} cannot be found. Verify the spelling and correctness of the"
        " schema and catalog. SQLSTATE: 42P01",
    ),
    (
        r"No field named (?P<name>.+?)\. (?:Did you mean|Valid fields are) (?P<fields>[^\n]*?)\.?$",
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name {name} cannot be"
        " resolved. Did you mean one of the following? [{fields}] SQLSTATE: 42703",
    ),
    (
        r"No field named (?P<name>[^\n]+?)\.?$",
        "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name {name} cannot be"
        " resolved. SQLSTATE: 42703",
    ),
    (
        r"Ambiguous reference to unqualified field (?P<name>\S+)",
        "[AMBIGUOUS_REFERENCE] Reference {name} is ambiguous. SQLSTATE: 42704",
    ),
    (r"Invalid function '(?P<name>[^']+)'", "not supported by the local server: the function {name}"),
    (r"ParserError\(\"(?P<why>.*)\"\)$", "[PARSE_SYNTAX_ERROR] {why}. SQLSTATE: 42601"),
    (
        r"Projections require unique expression names",
        "not supported by the local server: two columns with the same name; give them aliases",
    ),
    (r"Divide by zero", "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012"),
    (
        r"Cannot cast string '(?P<value>.*)' to value of (?P<type>\S+) type",
        "[CAST_INVALID_INPUT] The value '{value}' of the type \"STRING\" cannot be cast to {type}. SQLSTATE: 22018",
    ),
    (
        r"(?P<what>(?:Unsupported|This feature is not implemented|[Nn]ot supported).*)",
        "not supported by the local server: {what}",
    ),
    (
        r"(?P<what>.*(?:does not support|not implemented|could not be planned|ANY in LIKE|with multiple arguments"
        r"|No function matches|Failed to coerce).*)",
        "not supported by the local server: {what}",
    ),
    (r"table function '(?P<name>[^']+)' not found", "not supported by the local server: the function {name}"),
    (r"(?P<what>.*No kernel matching arguments)", "not supported by the local server: {what}"),
)


class FailedStatementError(Exception):
    """A statement failed. The text is what the client reads."""


def failure_text(error: BaseException) -> str:
    """Return the text of an error for the client.

    :param error: what was raised.
    """
    text = str(error).strip() or type(error).__name__
    if isinstance(error, FailedStatementError) or text.startswith("not supported by the local server"):
        return text
    for pattern, template in _KNOWN:
        match = re.search(pattern, text, re.MULTILINE)
        if match is not None:
            return template.format(**match.groupdict())
    return text
