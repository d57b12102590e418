"""Where the virtualenvs with the two Airflow lines are."""

import os
from dataclasses import dataclass
from pathlib import Path

from dev.processes import CHECKOUT


@dataclass(frozen=True)
class Environment:
    """A virtualenv with an Airflow in it.

    :param line: the Airflow line, such as ``3.3``.
    :param python: its interpreter; it need not exist.
    :param left_out: why this machine does without it, or empty; ``make`` says so where no Python is old enough.
    """

    line: str
    python: Path
    left_out: str = ""

    @property
    def exists(self) -> bool:
        """Whether the virtualenv is there."""
        return self.python.exists()

    @property
    def missing(self) -> str:
        """Why a test that needs this environment cannot run, and what to do."""
        return self.left_out or f"no Airflow {self.line} at {self.python}: run 'make venv venv-2.11'"


def environment(line: str) -> Environment:
    """Return the environment of an Airflow line, ``3.3`` or ``2.11``.

    ``make`` puts them into ``.venv`` and ``.venv-2.11``; the variables AIRFLOW_3_3_PYTHON and
    AIRFLOW_2_11_PYTHON name other interpreters.
    """
    folder = {"3.3": ".venv", "2.11": ".venv-2.11"}[line]
    prefix = f"AIRFLOW_{line.replace('.', '_')}"
    named = os.environ.get(f"{prefix}_PYTHON")
    python = Path(named) if named else CHECKOUT / folder / "bin" / "python"
    return Environment(line, python, os.environ.get(f"{prefix}_LEFT_OUT", ""))
