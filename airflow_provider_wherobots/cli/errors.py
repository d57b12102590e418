"""What ends a command with one line."""

from __future__ import annotations

FAILED, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130
"""Exit codes."""


class CommandFailedError(Exception):
    """Ends the command; its text is printed after ``error:``.

    :param message: what is wrong, in one line without secrets.
    :param code: the exit code; default 1, which means that the command failed. 2 means wrong arguments.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
