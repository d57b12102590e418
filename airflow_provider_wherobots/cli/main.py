"""The two command lines, ``python -m airflow_provider_wherobots`` and ``airflow wherobots``, and how a command ends.

Airflow imports this module at each start of its command line. So each command imports what it needs when it runs.
Source of ``airflow wherobots``, since Airflow 3.2: the key ``cli`` in the metadata of a provider, in Airflow's
documentation of CLI commands of providers.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_wherobots.cli.arguments import DESCRIPTION, add_commands


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
    from airflow_provider_wherobots.cli.output import (
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
            from airflow_provider_wherobots.messages.unforeseen import reason_of

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
