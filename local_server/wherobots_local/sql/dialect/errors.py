"""Why a statement is refused before it reaches the engine."""

from __future__ import annotations


class RefusedStatementError(Exception):
    """A statement is wrong, or the local server does not support it. The text is what the client reads."""


def not_supported(what: str, instead: str = "") -> RefusedStatementError:
    """Return the error for what the service does and the local server does not.

    :param what: what was found, such as ``LATERAL VIEW``.
    :param instead: what to do; default empty.
    """
    return RefusedStatementError(f"not supported by the local server: {what}{f'; {instead}' if instead else ''}")


def syntax_error(near: str, why: str) -> RefusedStatementError:
    """Return the error for text that the service could not read either, of the service's kind.

    :param near: the piece of text where it stops making sense.
    :param why: what is wrong with it.
    """
    return RefusedStatementError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near {near!r}: {why}. SQLSTATE: 42601")
