"""The jobs of the matrix: for each environment, the pytest command with its marks and interpreter."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.environments import Environment

NEWEST = "3.3"
WITH_UNIT_TESTS = ("2.11", NEWEST, "3.3-py3.13")
"""Where the unit tests run, which need no Airflow: with the oldest and the newest dependencies, and on each Python."""


@dataclass(frozen=True)
class Job:
    """One run of pytest.

    :param place: the environment that is tested.
    :param end_to_end: whether the tests start that environment's Airflow. Otherwise they run in the environment.
    """

    place: Environment
    end_to_end: bool

    @property
    def name(self) -> str:
        """The name of its report and output."""
        return f"e2e-{self.place.name}" if self.end_to_end else self.place.name

    @property
    def kind(self) -> str:
        """What it tests, as the table shows it."""
        if self.end_to_end:
            return "end to end"
        return "unit, integration, DAGs" if self.place.name in WITH_UNIT_TESTS else "integration, DAGs"

    @property
    def selection(self) -> list[str]:
        """The pytest arguments that select its tests."""
        if self.end_to_end:
            return ["-m", "e2e", "--airflow", self.place.name]
        marks = "not e2e" if self.place.name == NEWEST else "not e2e and not once"
        return ["-m", marks, *([] if self.place.name in WITH_UNIT_TESTS else ["--ignore=tests/unit"])]

    @property
    def variables(self) -> dict[str, str]:
        """Its environment variables: property tests use many examples on the newest Airflow, few on the others."""
        return {} if self.place.name == NEWEST else {"HYPOTHESIS_PROFILE": "quick"}

    def command(self, newest: Environment, report: Path, more: Sequence[str] = ()) -> list[str]:
        """Return the command.

        :param newest: the environment of the newest Airflow; end-to-end tests run in it, whatever they start.
        :param report: where the JUnit report goes.
        :param more: more arguments for pytest.
        """
        python = newest.python if self.end_to_end else self.place.python
        # Jobs run at the same time, so none may write where another reads.
        return [str(python), "-m", "pytest", *self.selection, f"--junitxml={report}", "-p", "no:cacheprovider", *more]
