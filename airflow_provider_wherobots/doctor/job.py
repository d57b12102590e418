"""The script that the doctor runs on the service. It uses only the standard library, and prints no secret.

``job.py log …`` prints known lines, which the doctor compares with the log. ``job.py sleep`` waits until it is ended.
"""

import importlib.util
import json
import platform
import sys
import time

BEGIN = "doctor-begin "
"""Begins the line of facts."""
LINE = "doctor-line "
"""Begins each numbered line."""
ERROR_LINE = "doctor-error-line "
"""The same on standard error, with numbers of its own."""
SPECIAL = "doctor-special "
"""Begins an unusual line, with its name."""
SLEEPING = "doctor-sleeping"

SLOW_LINES = 12
"""The first numbered lines come one by one, so that no two have the same time."""
SLOW_SECONDS = 0.25
LINES = 4_200
"""How many numbered lines there are: more than the provider requests at once while it catches up."""
ERROR_LINES = 5
LONG = 20_000
SLEEP_SECONDS = 1_800.0
ARGUMENTS = ("--date", "2026-01-31", "two words", "", "ünïcödé ✓", '{"a": [1, "$HOME"]}', "'quoted' \\ *")
"""The arguments of ``log``, some of them unusual."""

SPECIALS = {
    "unicode": "grüße · 東京 · 🌍",
    "long": "x" * LONG,
    "spaces": "   indented, and spaces at the end   ",
    "tab": "one\ttwo",
    "colour": "\x1b[31mred\x1b[0m",
    "control": "bell \x07, null \x00, escape \x1b",
    "carriage return": "10 %\r20 %",
    "direction": "left \u202e right",
}
"""Unusual texts by name. A line with each is printed, and an empty line between the first two."""


def special_line(name: str) -> str:
    """The line with an unusual text."""
    return f"{SPECIAL}{name}: {SPECIALS[name]}"


def facts() -> dict[str, object]:
    """Facts about the machine. No environment variable is read."""
    return {
        "args": sys.argv[2:],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": [name for name in ("pyspark", "sedona", "wherobots") if importlib.util.find_spec(name)],
    }


def write(text: str, stream: object = None) -> None:
    """Print a line at once, in UTF-8 regardless of the machine's language."""
    out = getattr(stream or sys.stdout, "buffer")  # noqa: B009
    out.write(f"{text}\n".encode())
    out.flush()


def print_log() -> None:
    """Print facts, numbered lines, lines on standard error, unusual lines, and numbered lines until the end."""
    write(BEGIN + json.dumps(facts()))
    for number in range(1, SLOW_LINES + 1):
        time.sleep(SLOW_SECONDS)
        write(f"{LINE}{number}")
    for number in range(1, ERROR_LINES + 1):
        write(f"{ERROR_LINE}{number}", sys.stderr)
    for index, name in enumerate(SPECIALS):
        write(special_line(name))
        if index == 0:
            write("")
    for number in range(SLOW_LINES + 1, LINES + 1):
        write(f"{LINE}{number}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["sleep"]:
        write(SLEEPING)
        time.sleep(SLEEP_SECONDS)
    else:
        print_log()
