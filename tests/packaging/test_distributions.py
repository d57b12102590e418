"""What the wheel and the source distribution contain."""

import configparser
import email
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_provider_wherobots import __version__
from dev.places import CHECKOUT

pytestmark = pytest.mark.once

PACKAGE = "airflow_provider_wherobots"
INFO = f"{PACKAGE}-{__version__}.dist-info"


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sources() -> set[str]:
    files = (path for path in (CHECKOUT / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(CHECKOUT).as_posix() for path in files}


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(wheel: Path) -> None:
    names = set(contents(wheel))

    assert names == sources() | {
        f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert f"{PACKAGE}/py.typed" in names


def test_the_wheel_is_for_every_platform(wheel: Path) -> None:
    assert wheel.name == f"{PACKAGE}-{__version__}-py3-none-any.whl"


def test_airflow_finds_the_provider_by_the_entry_point(wheel: Path) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(contents(wheel)[f"{INFO}/entry_points.txt"].decode())

    assert {name: dict(entry_points[name]) for name in entry_points.sections()} == {
        "apache_airflow_provider": {"provider_info": f"{PACKAGE}.get_provider_info:get_provider_info"}
    }


def test_the_metadata_asks_for_sql_the_server_and_spark_only_in_their_extras(wheel: Path) -> None:
    metadata = email.message_from_bytes(contents(wheel)[f"{INFO}/METADATA"])
    needs: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        need, _, marker = line.partition(";")
        needs.setdefault(marker.strip(), set()).add(need.strip())
    local = {
        "cbor2>=5.6.5",
        "cryptography>=42.0",
        "psutil>=7.0",
        "pydantic>=2.11",
        "starlette>=0.47",
        "uvicorn>=0.35",
        "websockets>=14.2",
    }

    assert needs == {
        "": {"aiohttp>=3.11.18", "apache-airflow>=2.11.0", "pendulum>=3.1.0", "requests>=2.32.3"},
        "extra == 'local'": local,
        "extra == 'sql'": {"apache-airflow-providers-common-sql>=1.27.1", "cbor2>=5.6.5", "pyarrow>=16.1"},
        "extra == 'spark'": {*local, "pyspark<4.2,>=3.5.5"},
    }
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_services_page_is_not_called_the_projects_documentation(wheel: Path) -> None:
    metadata = email.message_from_bytes(contents(wheel)[f"{INFO}/METADATA"])

    links = dict(link.split(", ", 1) for link in metadata.get_all("Project-URL", []))
    assert [label for label, address in links.items() if "docs.wherobots.com" in address] == ["Wherobots Runs REST API"]


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, wheel_from_sdist: Path) -> None:
    assert contents(wheel_from_sdist) == contents(wheel)


def test_the_source_distribution_holds_what_its_tests_and_documentation_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert sources() <= names
    assert {"README.md", "LICENSE", "Makefile", "pyproject.toml", "tests/conftest.py", "dev/environments.py"} <= names
    assert {"CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"} <= names
    assert not [name for name in names if ".venv" in name or (name.startswith((".", "build")) and name != ".gitignore")]
