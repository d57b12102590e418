"""The table of commands, and how a command ends.

Airflow imports this at each start of its own command line: every command imports what it needs when it is run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Protocol

from airflow_provider_wherobots.cli import doctor, orphans, runs
from airflow_provider_wherobots.cli.errors import FAILED, INTERRUPTED, CommandFailedError

DESCRIPTION = "Look at Wherobots runs, end those that no task needs, and check an installation."


class Command(Protocol):
    """A module of this package that is a command."""

    def add_parser(self, subparsers: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's name and arguments.

        :param subparsers: where to.
        :returns: its parser.
        """

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command.

        :param arguments: as parsed.
        :returns: the exit code.
        :raises CommandFailedError: to end with one line.
        """


COMMANDS: tuple[Command, ...] = (runs, orphans, doctor)


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add every command to a parser.

    :param parser: this program's, or that of ``airflow wherobots``.
    """
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers).set_defaults(run_command=command.run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    :param arguments: command line arguments; default those of the process.
    :returns: the exit code: 0, 1 after a failure, 130 after Ctrl-C.
    :raises SystemExit: with the code 2 for wrong arguments.
    """
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_wherobots", description=DESCRIPTION)
    add_commands(parser)
    return run(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was parsed, and print its error as one line.

    What the command prints with :func:`~airflow_provider_wherobots.cli.output.emit` goes to stdout, and everything else
    to stderr.

    :param arguments: as parsed.
    :returns: the exit code.
    """
    from airflow_provider_wherobots.cli.output import reserved_stdout, say

    with reserved_stdout() as stdout:
        try:
            code: int = arguments.run_command(arguments)
            stdout.flush()
        except CommandFailedError as error:
            say(f"error: {error}")
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read the output, such as `head`, has read enough. Python would complain when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 0
        except Exception as error:
            from airflow_provider_wherobots.flows.unforeseen import reason_of

            say(f"error: {reason_of(error)}")
            return FAILED
    return code
