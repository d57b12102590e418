"""The virtualenvs with the supported Airflow lines."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dev.processes import CHECKOUT

NAMES = ("2.11", "3.0", "3.1", "3.2", "3.3", "3.1-py3.13", "3.2-py3.13", "3.3-py3.13")
"""Every environment that ``make`` knows: an Airflow line, and its Python if that is not the oldest supported."""

END_TO_END = ("3.3", "3.0", "2.11")
"""The environments whose Airflow the end-to-end tests start."""


@dataclass(frozen=True)
class Environment:
    """A virtualenv with an Airflow in it.

    :param name: one of :data:`NAMES`.
    :param python: its interpreter; it need not exist.
    :param left_out: why this machine has no such environment, or empty. ``make`` sets it if no Python fits.
    """

    name: str
    python: Path
    left_out: str = ""

    @property
    def line(self) -> str:
        """The Airflow line, such as ``3.3``."""
        return self.name.partition("-")[0]

    @property
    def exists(self) -> bool:
        """Whether the virtualenv exists."""
        return self.python.exists()

    @property
    def missing(self) -> str:
        """Why a test that needs this environment cannot run, and what to do."""
        target = "venv" if self.name == "3.3" else f"venv-{self.name}"
        return self.left_out or f"no Airflow {self.name} at {self.python}: run 'make {target}'"


def environment(name: str) -> Environment:
    """Return an environment by its name.

    3.3 is in ``.venv``, every other in ``.venv-<name>``. To use another interpreter, set ``AIRFLOW_3_3_PYTHON``,
    ``AIRFLOW_3_3_PY3_13_PYTHON`` and so on.

    :param name: one of :data:`NAMES`.
    """
    if name not in NAMES:
        raise ValueError(f"no environment {name!r}; there are {', '.join(NAMES)}")
    prefix = "AIRFLOW_" + re.sub(r"[.-]", "_", name).upper()
    named = os.environ.get(f"{prefix}_PYTHON")
    folder = ".venv" if name == "3.3" else f".venv-{name}"
    python = Path(named) if named else CHECKOUT / folder / "bin" / "python"
    return Environment(name, python, os.environ.get(f"{prefix}_LEFT_OUT", ""))
