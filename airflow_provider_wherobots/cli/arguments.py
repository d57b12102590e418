"""Arguments that commands share, and the checks of their values. Cheap to import: Airflow does at each start."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

FORMATS = ("table", "json", "yaml", "plain")
"""Those of Airflow's own commands."""
DEFAULT_CONN_ID = "wherobots_default"


def add_conn(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--conn``."""
    parser.add_argument(
        "--conn", metavar="ID", default=DEFAULT_CONN_ID, help="id of the Airflow connection (default: %(default)s)"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--output``."""
    parser.add_argument(
        "-o", "--output", choices=FORMATS, default="table", help="how it is printed (default: %(default)s)"
    )


def name_pattern(text: str) -> str:
    """Check a pattern for names: List Runs knows one ``*``."""
    if not text or text.count("*") > 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a name with at most one *")
    return text


def identifier(text: str) -> str:
    """Check the id of a run or a SQL session: it becomes a part of a path."""
    if not text or text in (".", ".."):
        raise argparse.ArgumentTypeError(f"{text!r}: must be the id of a run or a SQL session")
    return text


def positive_number(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, 1 or more")
    return int(text)


def moment(text: str) -> datetime:
    """Read a time in ISO 8601; without an offset it is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a time in ISO 8601, such as 2026-11-26T08:00") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
