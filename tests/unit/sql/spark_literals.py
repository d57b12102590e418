"""Reads literals and quoted names as Spark does: its ``unescapeSQLString``, written from its documentation.

Source: Spark SQL Reference, "Literals" (String Literal) and ``SparkParserUtils.unescapeSQLString``.
"""

import re

UNICODE_16 = re.compile(r"\\u([0-9a-fA-F]{4})")
UNICODE_32 = re.compile(r"\\U([0-9a-fA-F]{8})")
OCTAL = re.compile(r"\\([01][0-7]{2})")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
NAMED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
VARIABLE = re.compile(r"\$\{(?:(\w+?):)?(\S+?)\}")


def read_literal(sql: str, position: int = 0) -> tuple[str, int]:
    """Read the literal that begins at a position.

    :returns: its text, and where it ends.
    """
    quote = sql[position]
    assert quote in "'\"", f"no literal at {position} of {sql!r}"
    end = position + 1
    while sql[end] != quote:
        end += 2 if sql[end] == "\\" else 1
    return unescaped(sql[position + 1 : end]), end + 1


def unescaped(body: str) -> str:
    pieces = []
    position = 0
    while position < len(body):
        if (found := UNICODE_16.match(body, position)) or (found := UNICODE_32.match(body, position)):
            pieces.append(chr(int(found[1], 16)))
        elif found := OCTAL.match(body, position):
            pieces.append(chr(int(found[1], 8)))
        elif found := ESCAPED.match(body, position):
            pieces.append(NAMED.get(found[1], found[1]))
        else:
            pieces.append(body[position])
            position += 1
            continue
        position = found.end()
    return "".join(pieces)


def read_name(sql: str, position: int = 0) -> tuple[str, int]:
    """Read the quoted name that begins at a position.

    :returns: the name, and where it ends.
    """
    found = re.compile(r"`((?:[^`]|``)*)`").match(sql, position)
    assert found, f"no quoted name at {position} of {sql!r}"
    return found[1].replace("``", "`"), found.end()
