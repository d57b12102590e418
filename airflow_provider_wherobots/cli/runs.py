"""``runs``: list, show, logs and cancel."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_provider_wherobots.cli.arguments import (
    add_conn,
    add_output,
    moment,
    name_pattern,
    positive_number,
    run_id,
)

STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
DEFAULT_LIMIT = 50


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
    """Add the command's name and arguments.

    :param subparsers: where to.
    :returns: its parser.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "runs", help="list, show and cancel runs, and read their logs"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for add in (_add_list, _add_show, _add_logs, _add_cancel):
        add(actions)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    :param arguments: as parsed.
    :returns: the exit code.
    """
    from airflow_provider_wherobots.cli.run_actions import ACTIONS

    return ACTIONS[arguments.runs_action](arguments)


def _add_list(actions: argparse._SubParsersAction[Any]) -> None:
    parser = actions.add_parser("list", help="list runs, newest first", description="List runs, newest first.")
    add = parser.add_argument
    add("--name", metavar="PATTERN", type=name_pattern, help="only runs of this name; one * stands for any characters")
    add(
        "--status",
        action="append",
        type=str.upper,
        choices=STATUSES,
        default=[],
        help="only runs in this status; repeatable",
    )
    add("--region", help="only runs of this region, such as aws-us-west-2")
    add(
        "--created-after",
        metavar="TIME",
        type=moment,
        help="only runs created after this time, such as 2026-11-26T08:00+01:00 (default offset: UTC)",
    )
    add(
        "--limit",
        metavar="N",
        type=positive_number,
        default=DEFAULT_LIMIT,
        help="how many at most (default: %(default)s)",
    )
    add_conn(parser)
    add_output(parser)
    parser.set_defaults(runs_action="list")


def _add_show(actions: argparse._SubParsersAction[Any]) -> None:
    parser = actions.add_parser(
        "show", help="show one run", description="Show a run: times, cost, reason, events, address and payload."
    )
    parser.add_argument("run_id", metavar="RUN_ID", type=run_id, help="id of the run")
    add_conn(parser)
    add_output(parser)
    parser.set_defaults(runs_action="show")


def _add_logs(actions: argparse._SubParsersAction[Any]) -> None:
    parser = actions.add_parser(
        "logs",
        help="print the log of a run",
        description="Print the log of a run, as far as there is one. Ctrl-C does not cancel the run.",
    )
    parser.add_argument("run_id", metavar="RUN_ID", type=run_id, help="id of the run")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    add_conn(parser)
    parser.set_defaults(runs_action="logs")


def _add_cancel(actions: argparse._SubParsersAction[Any]) -> None:
    parser = actions.add_parser(
        "cancel", help="cancel runs", description="Cancel runs. Without --yes only say what would be cancelled."
    )
    parser.add_argument("run_ids", metavar="RUN_ID", nargs="+", type=run_id, help="id of a run")
    parser.add_argument("--yes", action="store_true", help="cancel them")
    add_conn(parser)
    add_output(parser)
    parser.set_defaults(runs_action="cancel")
