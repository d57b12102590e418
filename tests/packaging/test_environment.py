"""The environment that these tests run in: what its lock file put together fits together."""

import subprocess
import sys
from importlib.metadata import version

from dev.processes import CHECKOUT


def test_every_requirement_is_met() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n"), done.stderr


def test_its_airflow_is_the_locked_one() -> None:
    airflow = version("apache-airflow")
    lock = CHECKOUT / "requirements" / f"airflow-{airflow.rpartition('.')[0]}.txt"

    assert f"\napache-airflow=={airflow} \\\n" in lock.read_text()


def test_every_lock_is_of_an_airflow_line() -> None:
    requirements = CHECKOUT / "requirements"

    assert {path.stem for path in requirements.glob("*.txt")} == {
        path.stem for path in requirements.glob("airflow-*.in")
    }
