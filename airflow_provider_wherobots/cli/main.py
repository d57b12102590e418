"""The table of commands, and how a command ends.

Airflow imports this at each start of its own command line: every command imports what it needs when it is run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from airflow_provider_wherobots.cli import doctor, orphans, runs
from airflow_provider_wherobots.cli.errors import FAILED, INTERRUPTED, CommandFailedError

DESCRIPTION = "Show Wherobots runs, end runs and SQL sessions that no task needs, and check an installation."


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add every command to a parser."""
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (runs, orphans, doctor):
        command.add_parser(subparsers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code: 0, 1 after a failure, 130 after Ctrl-C. Wrong arguments exit with 2."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_wherobots", description=DESCRIPTION)
    add_commands(parser)
    return run(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was parsed, and print its error as one line. What it prints with
    :func:`~airflow_provider_wherobots.cli.output.emit` goes to stdout, everything else to stderr.
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
