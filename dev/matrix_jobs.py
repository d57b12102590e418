"""The jobs of the matrix: for each, the environment and the pytest command with its marks and interpreter."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dev.environments import END_TO_END, NAMES, SERVERS, Environment, environment

NEWEST = "3.3"
FIRST_LINES = ("2.11", NEWEST)
"""The Airflows that each change is tested on before it lands; those between differ less."""
NEED_NO_AIRFLOW = (
    "tests/unit",
    "tests/contract",
    "tests/integration/api",
    "tests/integration/flows",
)
"""Tests of the parts of the package that import no Airflow."""
THOROUGH = ("3.3-py3.13", "local-py3.13")
"""Where properties are tried with many examples: there, no change waits for it."""
WITHOUT_AIRFLOW = (NEWEST, "3.3-py3.13", "3.0", "2.11")
"""Where they run: 3.0 has the oldest version of each dependency, 3.3 or 2.11 the newest; and on each Python."""


class Part(Enum):
    """A part of the tests."""

    EACH = "integration, DAGs"
    WITHOUT_AIRFLOW = "unit, without Airflow"
    SERVER = "local server"
    ONCE = "packaging, documentation"
    ONCE_SLOW = "installs, benchmarks"
    END_TO_END = "end to end"

    @property
    def marks(self) -> str:
        """The marks of its tests, as pytest's ``-m`` takes them."""
        marks = {
            Part.ONCE: "once and not slow and not e2e",
            Part.ONCE_SLOW: "once and slow and not e2e",
            Part.END_TO_END: "e2e",
        }
        return marks.get(self, "not e2e and not once")


class Share(Enum):
    """What one machine runs: together the tests take longer than a change should wait for."""

    FIRST = "first"
    """The oldest Airflow and the newest, the newest end to end, and the local server."""
    SECOND = "second"
    """The Airflows between, older ones end to end, the newest Python, and older dependencies."""
    BOTH = "both"


@dataclass(frozen=True)
class Job:
    """One run of pytest.

    :param place: the environment that is tested.
    :param part: which tests. Those end to end start the environment's Airflow; all others run in the environment.
    """

    place: Environment
    part: Part = Part.EACH

    @property
    def name(self) -> str:
        """The name of its report and output."""
        prefixes = {
            Part.WITHOUT_AIRFLOW: "without-airflow-",
            Part.ONCE: "once-",
            Part.ONCE_SLOW: "once-slow-",
            Part.END_TO_END: "e2e-",
        }
        return prefixes.get(self.part, "") + self.place.name

    @property
    def share(self) -> Share:
        """The share that it is in."""
        first = FIRST_LINES if self.part is Part.EACH else (NEWEST, SERVERS[0])
        is_first = self.place.name in first and self.part is not Part.ONCE_SLOW
        return Share.FIRST if is_first else Share.SECOND

    @property
    def selection(self) -> list[str]:
        """The pytest arguments that select its tests."""
        marks = ["-m", self.part.marks]
        match self.part:
            case Part.END_TO_END:
                return [*marks, "--airflow", self.place.name, "tests"]
            case Part.EACH:
                return [*marks, "tests", *(f"--ignore={path}" for path in NEED_NO_AIRFLOW)]
            case Part.WITHOUT_AIRFLOW:
                return [*marks, *NEED_NO_AIRFLOW]
            case Part.SERVER:
                marks = ["-m", "not e2e"] if self.place.name == SERVERS[0] else marks
                return [*marks, "local_server/tests"]
            case _:
                return [*marks, "tests"]

    @property
    def variables(self) -> dict[str, str]:
        """Its environment variables: property tests use many examples in :data:`THOROUGH`, few elsewhere."""
        return {} if self.place.name in THOROUGH else {"HYPOTHESIS_PROFILE": "quick"}

    def command(self, newest: Environment, report: Path, more: Sequence[str] = ()) -> list[str]:
        """Return the command.

        :param newest: the environment of the newest Airflow; end-to-end tests run in it, whatever they start.
        :param report: where the JUnit report goes.
        :param more: more arguments for pytest.
        """
        python = newest.python if self.part is Part.END_TO_END else self.place.python
        # Jobs run at the same time, so none may write where another reads.
        return [str(python), "-m", "pytest", *self.selection, f"--junitxml={report}", "-p", "no:cacheprovider", *more]


def jobs(names: Collection[str], end_to_end: bool, share: Share = Share.BOTH) -> list[Job]:
    """Return the jobs in the order to begin them: the longest first, so that all end at about the same time.

    :param names: the environments.
    :param end_to_end: whether the tests end to end are among them.
    :param share: which of them; default both.
    """
    parts = [
        *((Part.END_TO_END, name) for name in END_TO_END if end_to_end),
        (Part.EACH, NEWEST),
        (Part.SERVER, SERVERS[0]),
        (Part.ONCE, NEWEST),
        (Part.ONCE_SLOW, NEWEST),
        *((Part.WITHOUT_AIRFLOW, name) for name in WITHOUT_AIRFLOW),
        *((Part.EACH, name) for name in NAMES if name != NEWEST),
        *((Part.SERVER, name) for name in SERVERS[1:]),
    ]
    found = [Job(environment(name), part) for part, name in parts if name in names]
    return [job for job in found if share in (Share.BOTH, job.share)]
