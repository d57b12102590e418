"""The two command lines, ``python -m airflow_provider_wherobots`` and ``airflow wherobots``, and how a command ends.

Airflow imports this module at each start of its command line. So each command imports what it needs when it runs.
Source of ``airflow wherobots``, since Airflow 3.2: the key ``cli`` in the metadata of a provider, in Airflow's
documentation of CLI commands of providers.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code: 0, 1 after a failure, 130 after Ctrl-C. Wrong arguments exit with 2."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_wherobots", description=DESCRIPTION)
    add_commands(parser)
    return _run(parser.parse_args(arguments))


def get_wherobots_cli_commands() -> list[Any]:
    """The command for Airflow's parser."""
    from airflow.cli.cli_config import ActionCommand, Arg

    class Commands(Arg):
        """Adds the commands to Airflow's parser in place of one argument."""

        def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
            add_commands(parser)

    return [
        ActionCommand(
            name="wherobots",
            help="List and cancel Wherobots runs",
            description=DESCRIPTION,
            func=lambda arguments: sys.exit(_run(arguments)),
            args=(Commands(("COMMAND",)),),  # type: ignore[no-untyped-call]
        )
    ]


def _run(arguments: argparse.Namespace) -> int:
    """Run the command that was parsed, and return the exit code."""
    from airflow_provider_wherobots.cli.common import (
        FAILED,
        INTERRUPTED,
        CommandFailedError,
        print_message,
        reserved_stdout,
    )

    with reserved_stdout() as stdout:
        try:
            code = _command(arguments.wherobots_command)(arguments)
            stdout.flush()
        except CommandFailedError as error:
            print_message(f"error: {error}")
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # The reader of the output, such as `head`, has read enough. Python would complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 0
        except Exception as error:
            from airflow_provider_wherobots.words import reason_of

            print_message(f"error: {reason_of(error)}")
            return FAILED
    return code


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """Import a command. The others stay unloaded: the doctor needs all of its checks."""
    if name == "orphans":
        from airflow_provider_wherobots.cli.orphans import find_orphans

        return find_orphans
    if name == "doctor":
        from airflow_provider_wherobots.cli.doctor import examine

        return examine
    if name == "payload":
        from airflow_provider_wherobots.cli.payload import print_payload

        return print_payload
    from airflow_provider_wherobots.cli.runs import COMMANDS

    return COMMANDS[name]


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DESCRIPTION = "List Wherobots runs, cancel those that no task needs, print a create request, and check an installation."
ORPHANS = (
    "List the active runs of the organization, and show which are orphans: their task instance in this deployment has "
    "ended. Asks Airflow's REST API as the user of AIRFLOW_API_TOKEN, or of AIRFLOW_API_USERNAME and "
    "AIRFLOW_API_PASSWORD. Without --cancel nothing is changed."
)
DOCTOR = (
    "Check the connection, the key, the organization's defaults, storage and the handler of task logs. With --sql, "
    "execute SELECT 1 in a new SQL session, and stop the session. With --run, create three small runs of at most 15 "
    "minutes each, and compare what the service does with what this provider assumes. Runs that have not ended by "
    "then, or when the command is interrupted, are cancelled. One that could not be cancelled is named."
)
PAYLOAD = (
    "Render a task of a DAG in the DAGs folder, check its arguments, and print the create request as JSON. Nothing is "
    "sent, and no key is needed. On Airflow 3 no database is needed either."
)
STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
DEFAULT_CONN_ID = "wherobots_default"
DEFAULT_LIMIT = 50


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add every command to a parser. A parsed command has its name in ``wherobots_command``."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    runs = commands.add_parser("runs", help="list and cancel runs")
    actions = runs.add_subparsers(metavar="ACTION", required=True)
    _add_list(actions)
    _add_cancel(actions)
    _add_payload(commands)
    _add_orphans(commands)
    _add_doctor(commands)


def _add_common(parser: argparse.ArgumentParser, command: str) -> None:
    parser.set_defaults(wherobots_command=command)
    parser.add_argument(
        "--conn", metavar="ID", default=DEFAULT_CONN_ID, help="id of the Airflow connection (default: %(default)s)"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="how it is printed (default: %(default)s)"
    )


def _add_list(actions: Subparsers) -> None:
    parser = actions.add_parser("list", help="list runs, newest first", description="List runs, newest first.")
    add = parser.add_argument
    add("--name", metavar="PATTERN", type=_name_pattern, help="only runs of this name; one * stands for any characters")
    add("--region", help="only runs of this region, such as aws-us-west-2")
    add(
        "--created-after",
        metavar="TIME",
        type=_moment,
        help="only runs created after this time, such as 2026-11-26T08:00+01:00 (default offset: UTC)",
    )
    add(
        "--limit",
        metavar="N",
        type=_positive_number,
        default=DEFAULT_LIMIT,
        help="how many at most (default: %(default)s)",
    )
    add(
        "--status",
        action="append",
        type=str.upper,
        choices=STATUSES,
        default=[],
        help="only runs in this status; repeatable",
    )
    add("--by", choices=("dag",), help="one row for each DAG: runs, hours, dollars, and failures by cause")
    _add_common(parser, "runs list")


def _add_cancel(actions: Subparsers) -> None:
    description = "Cancel runs. Without --yes only show what would be cancelled."
    parser = actions.add_parser("cancel", help="cancel runs", description=description)
    parser.add_argument("run_ids", metavar="RUN_ID", nargs="+", type=_identifier, help="id of a run")
    parser.add_argument("--yes", action="store_true", help="cancel them")
    _add_common(parser, "runs cancel")


def _add_payload(commands: Subparsers) -> None:
    parser = commands.add_parser("payload", help="print a task's create request", description=PAYLOAD)
    parser.set_defaults(wherobots_command="payload")
    add = parser.add_argument
    add("dag", metavar="DAG", help="id of the DAG")
    add("task", metavar="TASK", help="id of the task")
    add("--date", metavar="TIME", type=_moment, help="the logical date, such as 2026-11-26 (default: now)")
    add("--map-index", metavar="N", type=_index, default=-1, help="index of a mapped task, from 0")


def _add_orphans(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "orphans", help="find active runs whose task has ended, and cancel them", description=ORPHANS
    )
    parser.add_argument("--cancel", action="store_true", help="cancel the orphans, and nothing else")
    _add_common(parser, "orphans")


def _add_doctor(commands: Subparsers) -> None:
    parser = commands.add_parser("doctor", help="check an installation against a service", description=DOCTOR)
    add = parser.add_argument
    add("--run", action="store_true", help="create three small runs, which cost some minutes of compute")
    add(
        "--sql",
        action="store_true",
        help="start a SQL session, which costs some minutes of compute, and execute SELECT 1",
    )
    add("--runtime", type=_given, default="tiny", help="runtime of the runs and the session (default: %(default)s)")
    add("--region", help="region of runs and session (default: the connection's, else the organization's)")
    add(
        "--script-uri",
        metavar="S3_URI",
        type=_s3_address,
        help="where the doctor's script is, if it cannot be uploaded: print it with --print-script, and copy it there",
    )
    add("--print-script", action="store_true", help="print the script of the runs, and do nothing else")
    _add_common(parser, "doctor")


def _name_pattern(text: str) -> str:
    if not text or text.count("*") > 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a name with at most one *")
    return text


def _identifier(text: str) -> str:
    # An id becomes a part of a path.
    if not text.isprintable() or not text.strip() or text in (".", "..", "None"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be the id of a run")
    return text


def _given(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r}: must not be empty")
    return text


def _positive_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, 1 or more")
    return int(text)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, 0 or more")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a time in ISO 8601, such as 2026-11-26T08:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _s3_address(text: str) -> str:
    if not re.match(r"s3://[^/\s]+/\S", text):
        raise argparse.ArgumentTypeError(f"{text!r}: must be an S3 address, such as s3://bucket/key")
    return text
