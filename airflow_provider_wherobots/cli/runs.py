"""``runs``: list, show, logs and cancel."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_provider_wherobots.cli.arguments import (
    add_conn,
    add_output,
    identifier,
    moment,
    name_pattern,
    positive_number,
)

STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
DEFAULT_LIMIT = 50


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's name and arguments."""
    parser = subparsers.add_parser("runs", help="list, show and cancel runs, and read their logs")
    parser.set_defaults(run_command=run)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, add, help_text, description in (
        ("list", _add_list, "list runs, newest first", "List runs, newest first."),
        ("show", _add_run_id, "show one run", "Show a run: times, cost, reason, events, address and payload."),
        (
            "logs",
            _add_logs,
            "print the log of a run",
            "Print the log of a run, as far as there is one. Ctrl-C does not cancel the run.",
        ),
        ("cancel", _add_cancel, "cancel runs", "Cancel runs. Without --yes only show what would be cancelled."),
    ):
        action = actions.add_parser(name, help=help_text, description=description)
        add(action)
        add_conn(action)
        if name != "logs":
            add_output(action)
        action.set_defaults(runs_action=name)


def run(arguments: argparse.Namespace) -> int:
    """Run the command, and return the exit code."""
    from airflow_provider_wherobots.cli.run_actions import ACTIONS

    return ACTIONS[arguments.runs_action](arguments)


def _add_list(parser: argparse.ArgumentParser) -> None:
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


def _add_run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN_ID", type=identifier, help="id of the run")


def _add_logs(parser: argparse.ArgumentParser) -> None:
    _add_run_id(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="continue until the run has ended")


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_ids", metavar="RUN_ID", nargs="+", type=identifier, help="id of a run")
    parser.add_argument("--yes", action="store_true", help="cancel them")
