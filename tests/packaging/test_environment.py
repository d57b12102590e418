"""The environment that these tests run in: what its lock file put together fits together."""

import re
import subprocess
import sys
from importlib.metadata import version

from dev.places import TREE


def test_every_requirement_is_met() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n"), done.stderr


def test_its_airflow_is_the_locked_one() -> None:
    airflow = version("apache-airflow")
    lock = TREE / "requirements" / f"airflow-{airflow.rpartition('.')[0]}.txt"

    assert f"\napache-airflow=={airflow} \\\n" in lock.read_text()


def test_every_lock_is_of_an_airflow_line_or_of_tests_with_one_of_their_own() -> None:
    requirements = TREE / "requirements"

    assert {path.stem for path in requirements.glob("*.txt")} == {
        "official",
        "unit",
        "at-size",
        "local",
        "local-lowest",
        *(path.stem for path in requirements.glob("airflow-*.in")),
    }


def test_the_unit_tests_run_with_the_versions_of_the_newest_airflow_and_without_it() -> None:
    unit, newest = (pins(name) for name in ("unit", "airflow-3.3"))

    assert {name for name in unit if "airflow" in name} == set()
    assert {name: version for name, version in unit.items() if newest.get(name) != version} == {}


def test_the_tests_at_size_run_with_the_versions_of_the_newest_airflow() -> None:
    at_size, newest = (pins(name) for name in ("at-size", "airflow-3.3"))

    assert {name: version for name, version in at_size.items() if newest.get(name, version) != version} == {}


def test_the_benchmark_compares_on_the_newest_airflow() -> None:
    official, newest = (pins(name) for name in ("official", "airflow-3.3"))

    assert official["apache-airflow"] == newest["apache-airflow"]
    assert {name: version for name, version in official.items() if newest.get(name, version) != version} == {}


def pins(lock: str) -> dict[str, str]:
    text = (TREE / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
