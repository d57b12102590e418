"""The virtualenvs with an Airflow, and those with the local server."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dev.places import CHECKOUT

NAMES = ("2.11", "3.0", "3.1", "3.2", "3.3", "3.1-py3.13", "3.2-py3.13", "3.3-py3.13")
"""Those with an Airflow: its line, and the Python if that is not the oldest supported."""

SERVERS = ("local", "local-lowest", "local-py3.13")
"""Those with the local server and no Airflow: with the newest version of each dependency, the oldest, and the newest
Python."""

END_TO_END = ("3.3", "3.0", "2.11")
"""The environments whose Airflow the end-to-end tests start."""


@dataclass(frozen=True)
class Environment:
    """A virtualenv with an Airflow or the local server in it.

    :param name: one of :data:`NAMES` or :data:`SERVERS`.
    :param python: its interpreter; it need not exist.
    :param left_out: why this machine has no such environment, or empty. ``make`` sets it if no Python fits.
    """

    name: str
    python: Path
    left_out: str = ""

    @property
    def line(self) -> str:
        """The Airflow line, such as ``3.3``, of one with an Airflow."""
        return self.name.partition("-")[0]

    @property
    def exists(self) -> bool:
        """Whether the virtualenv exists."""
        return self.python.exists()

    @property
    def missing(self) -> str:
        """Why a test that needs this environment cannot run, and what to do."""
        return self.left_out or f"no environment {self.name} at {self.python}: run 'make venv-{self.name}'"


def environment(name: str) -> Environment:
    """Return an environment by its name.

    It is the folder ``.venv-<name>``. To use another interpreter, set ``ENVIRONMENT_3_3_PYTHON``,
    ``ENVIRONMENT_3_3_PY3_13_PYTHON`` and so on.

    :param name: one of :data:`NAMES` or :data:`SERVERS`.
    """
    if name not in (*NAMES, *SERVERS):
        raise ValueError(f"no environment {name!r}; there are {', '.join((*NAMES, *SERVERS))}")
    prefix = "ENVIRONMENT_" + re.sub(r"[.-]", "_", name).replace("py", "PY")
    named = os.environ.get(f"{prefix}_PYTHON")
    python = Path(named) if named else CHECKOUT / f".venv-{name}" / "bin" / "python"
    return Environment(name, python, os.environ.get(f"{prefix}_LEFT_OUT", ""))
