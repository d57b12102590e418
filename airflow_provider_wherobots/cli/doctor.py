"""``doctor``: checks an installation against a service, and with ``--run`` what the service really does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from airflow_provider_wherobots.cli.arguments import add_conn, add_output
from airflow_provider_wherobots.cli.errors import FAILED

DESCRIPTION = """\
Check the connection, the key, its rights, the clock and the triggerer. With --sql, execute SELECT 1 in a SQL session of
its own, and stop the session. With --run, create three small runs of at most 15 minutes each, and compare what the
service does with what this provider assumes. Runs that have not ended by then, or when the command is interrupted, are
cancelled. One that could not be cancelled is named.
"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's name and arguments."""
    parser = subparsers.add_parser("doctor", help="check an installation against a service", description=DESCRIPTION)
    add_conn(parser)
    parser.add_argument(
        "--run", action="store_true", help="create three small runs, which cost some minutes of compute"
    )
    parser.add_argument(
        "--sql",
        action="store_true",
        help="start a SQL session, which costs some minutes of compute, and execute SELECT 1",
    )
    parser.add_argument("--runtime", help="runtime of the runs and the session (default: tiny)", default="tiny")
    parser.add_argument(
        "--region", help="region of runs and session (default: the connection's, else the organization's)"
    )
    parser.add_argument(
        "--script-uri",
        metavar="S3_URI",
        type=_s3_address,
        help="where the doctor's script is, if it cannot be uploaded: print it with --print-script, and copy it there",
    )
    parser.add_argument("--print-script", action="store_true", help="print the script of the runs, and do nothing else")
    parser.add_argument(
        "--report",
        metavar="FILE",
        type=Path,
        help="write a report in Markdown, with keys, passwords and tokens hidden, to paste into an issue",
    )
    add_output(parser)
    parser.set_defaults(run_command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command. 1 if a check failed, or a response differs from what this package can handle."""
    from airflow_provider_wherobots.cli.examination import Examination, print_script

    if arguments.print_script:
        return print_script()
    examination = Examination(arguments)
    code = examination.examine()
    failed = examination.show()
    return code or (FAILED if failed else 0)


def _s3_address(text: str) -> str:
    if not text.startswith("s3://"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be an S3 address, such as s3://bucket/key")
    return text
