"""What a log may show of a statement."""

from __future__ import annotations

import re

from airflow_provider_wherobots.sql.lexer import SqlTokenKind, tokens

MAX_CHARACTERS = 1000
"""How much of a statement a log shows."""
MASK = "?"

_NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:[a-zA-Z]{1,2})?(?!\w)")
_BINARY = re.compile(r"(?<!\w)[xX]\s*$")
_SETTING = re.compile(r"^(SET [^=]*= ?).*", re.IGNORECASE)
"""A setting may hold a key, and needs no quotes."""
_SPACES = re.compile(r"\s+")


def masked(statement: str, limit: int = MAX_CHARACTERS) -> str:
    """A statement in one line of at most ``limit`` characters, with ``?`` in place of each literal text and number, and
    without comments.
    """
    pieces: list[str] = []
    size = 0
    for token in tokens(statement):
        match token.kind:
            case SqlTokenKind.CODE:
                piece = _SPACES.sub(" ", _NUMBER.sub(MASK, token.text))
            case SqlTokenKind.COMMENT:
                piece = " "
            case SqlTokenKind.LITERAL | SqlTokenKind.OPEN:
                if pieces:
                    pieces[-1] = _BINARY.sub("", pieces[-1])
                piece = MASK
            case _:
                piece = token.text
        pieces.append(piece)
        size += len(piece)
        if size > 2 * limit:
            break
    line = _SETTING.sub(rf"\1{MASK}", _SPACES.sub(" ", "".join(pieces)).strip())
    return line if len(line) <= limit else f"{line[:limit]}… ({len(statement):,} characters)"
