"""``airflow wherobots``: the commands as a part of Airflow's own command line, on Airflow 3.2 and later.

Source: the key ``cli`` in the metadata of a provider, in Airflow's documentation of CLI commands of providers.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from airflow_provider_wherobots.cli.main import DESCRIPTION, add_commands, run


def get_wherobots_cli_commands() -> list[Any]:
    """The command, for Airflow's parser. Airflow calls this at each start of its command line."""
    from airflow.cli.cli_config import ActionCommand, Arg

    class Commands(Arg):
        """Adds what :func:`add_commands` adds, so that both command lines have the same commands and arguments."""

        def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
            add_commands(parser)

    return [
        ActionCommand(
            name="wherobots",
            help="Look at Wherobots runs",
            description=DESCRIPTION,
            func=_run,
            args=(Commands(("COMMAND",)),),  # type: ignore[no-untyped-call]
        )
    ]


def _run(arguments: argparse.Namespace) -> None:
    sys.exit(run(arguments))
