"""``orphans``: active runs and SQL sessions that no task of this deployment needs any more."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_provider_wherobots.cli.arguments import add_conn, add_output, identifier

DESCRIPTION = (
    "List the active runs of the organization and the SQL sessions of the API key's user, and show which are orphans: "
    "their task instance in this deployment has ended. Reads Airflow's metadata database. Without --cancel or "
    "--stop-session nothing is changed."
)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's name and arguments."""
    parser = subparsers.add_parser(
        "orphans", help="find active runs and SQL sessions whose task has ended, and end them", description=DESCRIPTION
    )
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--cancel", action="store_true", help="end the orphans, and nothing else")
    ending.add_argument(
        "--stop-session",
        metavar="SESSION_ID",
        action="append",
        default=[],
        type=identifier,
        help="stop this SQL session, whoever uses it, and nothing else; repeatable",
    )
    add_conn(parser)
    add_output(parser)
    parser.set_defaults(run_command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command, and return the exit code."""
    from airflow_provider_wherobots.cli.find_orphans import find_orphans

    return find_orphans(arguments)
