"""``orphans``: active runs that no task of this deployment needs any more."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_provider_wherobots.cli.arguments import add_conn, add_output

DESCRIPTION = (
    "List the active runs of the organisation, and say which are orphans: their task instance in this deployment has "
    "ended. Reads Airflow's metadata database. Without --cancel nothing is changed."
)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the command's name and arguments.

    :param subparsers: where to.
    :returns: its parser.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "orphans", help="find active runs whose task has ended, and cancel them", description=DESCRIPTION
    )
    parser.add_argument("--cancel", action="store_true", help="cancel the orphans, and nothing else")
    add_conn(parser)
    add_output(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    :param arguments: as parsed.
    :returns: the exit code.
    """
    from airflow_provider_wherobots.cli.find_orphans import find_orphans

    return find_orphans(arguments)
