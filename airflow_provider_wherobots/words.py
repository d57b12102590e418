"""The words of messages: durations, times, the service's own texts, and unforeseen exceptions.

The text of an exception may come from the service, a secrets backend, or a proxy with a password in its address. So it
is escaped and cut, and the user information before the ``@`` of an address is removed. Python's traceback also prints
the texts of all exceptions that led to this one. Here each has only its type and its place.
"""

from __future__ import annotations

import re
import traceback

import pendulum

MAX_CHARS = 2_000
MAX_SHORT_CHARS = 255
"""How much of an id, a name or a status of the service is shown."""
MINUTE, HOUR = 60, 3_600
CHECK_KEY = "Check the API key in the connection. Each retry reads it again"
MAX_SECONDS = 1e9
"""A longer duration is shown as this one: thirty years."""

COLOUR = re.compile(r"\x1b\[[\d;]*m")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MAX_ESCAPE_CHARS = 6
"""How long one character may become, such as a line separator or half of a surrogate pair."""
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in range(0x2070) if _UNSAFE.match(chr(code))
}
# Airflow's log view folds the lines after "::group::", and on 2.11 after "##[]group]" too.
_GROUP = re.compile(r"[:#](?=(?::|#\[\])(?:end)?group(?:::|\]))")


def duration(seconds: float) -> str:
    """A duration: "14 seconds", "2 hours 5 minutes"."""
    if seconds < 1:
        return "less than a second"
    seconds = min(seconds, MAX_SECONDS)
    unit = MINUTE if seconds >= HOUR else 1
    # pendulum's default locale belongs to the process: other code may have changed it.
    return pendulum.duration(seconds=round(seconds / unit) * unit).in_words(locale="en")


def given_up(max_outage_seconds: float) -> str:
    """How long transient failures were tolerated, and which setting limits that."""
    return f"given up after {duration(max_outage_seconds)} of failures (max_outage_seconds={max_outage_seconds:g})"


def minutes(seconds: float) -> str:
    """A duration in whole minutes, for a log line at a round time."""
    return duration(round(seconds / MINUTE) * MINUTE)


def moment(epoch_seconds: float) -> str:
    """A time: "2026-07-21 08:00:00 UTC"."""
    return f"{pendulum.from_timestamp(epoch_seconds).to_datetime_string()} UTC"


def counted(number: int, noun: str) -> str:
    """A number of things: "1 run", "2 runs", "1,000 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(byte_count: int) -> str:
    """A size: "312 bytes", "1.2 KB"."""
    if byte_count < 1_000:
        return counted(byte_count, "byte")
    for unit, factor in (("KB", 1e3), ("MB", 1e6)):
        if round(byte_count / factor, 1) < 1_000:
            return f"{byte_count / factor:.1f} {unit}"
    return f"{byte_count / 1e9:.1f} GB"


def labelled(*values: tuple[str, str | None]) -> str:
    """The known ones of some values: "rows 5, region aws-us-west-2"."""
    return ", ".join(f"{label} {value}" for label, value in values if value)


def command(text: str, conn_id: str = "") -> str:
    """A command of this provider, in the form that every Airflow has. Without a connection it has no ``--conn``."""
    return f"python -m airflow_provider_wherobots {text}{f' --conn {conn_id}' if conn_id else ''}"


def make_plain(text: str) -> str:
    """Make control characters visible and remove colours, for places that do not show colours."""
    return make_safe(COLOUR.sub("", text))


def make_safe(text: str) -> str:
    """Make control characters and lone surrogates visible, and break group markers, so that a line cannot imitate
    another or hide a part.

    Line breaks stay, and colours (``ESC[…m``), which Airflow's log view shows.
    """
    text = break_groups(text)
    if text.isprintable():
        return text
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if _UNSAFE.search(text) is None:
        return text
    kept = 0
    parts: list[str] = []
    for colour in COLOUR.finditer(text):
        parts += (text[kept : colour.start()].translate(_ESCAPES), colour[0])
        kept = colour.end()
    return "".join(parts) + text[kept:].translate(_ESCAPES)


def break_groups(text: str) -> str:
    return _GROUP.sub(lambda found: f"\\x{ord(found[0]):02x}", text) if "group" in text else text


def quoted(text: str, max_chars: int = MAX_CHARS) -> str:
    """Make a text of the service safe for an exception or a log line: make control characters visible, and cut it."""
    # Cut before, as only what is kept needs escaping, and after, as escapes make a text longer.
    safe = make_safe(text[: max_chars + 1])
    return safe if len(safe) <= max_chars else f"{safe[: max_chars - 1]}…"


def short(text: str) -> str:
    """Make an id, a name or a status of the service safe for an exception or a log line."""
    return quoted(text, MAX_SHORT_CHARS)


MAX_FRAMES = 20
MAX_CAUSES = 5
_USER_INFO = re.compile(r"(?<=//)\S*@")


def reason_of(error: BaseException) -> str:
    """The type of an exception and its text. At most 2,000 characters."""
    message = str(error)
    text = (f"{type(error).__name__}: {message}" if message else type(error).__name__)[: 2 * MAX_CHARS]
    return quoted(_USER_INFO.sub("***@", text))


def places_of(error: BaseException) -> str:
    """Where an exception and its causes were raised: files, lines and types, no texts."""
    parts: list[str] = []
    found: BaseException | None = error
    while found is not None and len(parts) < MAX_CAUSES:
        parts.append(f"{''.join(traceback.format_tb(found.__traceback__, -MAX_FRAMES))}{type(found).__name__}")
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return make_safe("\nled to\n".join(reversed(parts)))
