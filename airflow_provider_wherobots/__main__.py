"""Runs the commands of the provider."""

import sys

from airflow_provider_wherobots.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
