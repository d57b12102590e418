"""What ends a command with one line."""

from __future__ import annotations

FAILED, INTERRUPTED = 1, 130
"""Exit codes; that of wrong arguments is argparse's."""


class CommandFailedError(Exception):
    """Ends the command with :data:`FAILED`; its text is printed after ``error:``: one line without secrets."""
