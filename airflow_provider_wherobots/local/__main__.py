"""Runs the command line of the local server."""

import sys

from airflow_provider_wherobots.local.cli import main

if __name__ == "__main__":
    sys.exit(main())
