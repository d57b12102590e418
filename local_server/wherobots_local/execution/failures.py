"""Why a run failed, in one line."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from itertools import islice

_ERROR = re.compile(
    r"^\s*(?:Caused by: |Exception in thread [^ ]+ |ERROR: )?"
    r"(?:[\w$]+\.)*[A-Z][\w$]*(?:Error|Exception|Exit|Interrupt)\b|^\s*(?:ERROR|FATAL|error)\b"
)
_LINES_SEARCHED = 200
_MAX_LENGTH = 500


def failure_message(exit_code: int, lines: Sequence[str]) -> str:
    """Describe the end of a process: ``The process exited with code 1: ValueError: no such column``."""
    if exit_code < 0:
        ending = f"The process was ended by signal {-exit_code}{_signal_name(-exit_code)}"
    else:
        ending = f"The process exited with code {exit_code}"
    line = last_error_line(lines)
    return f"{ending}: {line}" if line else ending


def last_error_line(lines: Sequence[str]) -> str | None:
    """Return the newest line that looks like an error, else the newest that is not blank, cut to 500 characters."""
    newest = [line.strip() for line in islice(reversed(lines), _LINES_SEARCHED) if line.strip()]
    found = next((line for line in newest if _ERROR.match(line)), newest[0] if newest else None)
    return found[:_MAX_LENGTH] if found else None


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
