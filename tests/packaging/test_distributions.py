"""What the wheels and the source distributions contain."""

import configparser
import email
import tarfile
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path

from airflow_provider_wherobots import __version__
from tests.packaging.conftest import FOLDERS, Distribution

PROVIDER = "airflow_provider_wherobots"
SERVER = "wherobots_local"
ENTRY_POINTS = {
    PROVIDER: {
        "apache_airflow_provider": {"provider_info": f"{PROVIDER}.get_provider_info:get_provider_info"},
        "airflow.plugins": {"wherobots_task_page": f"{PROVIDER}.task_page:WherobotsTaskPage"},
    },
    SERVER: {
        "console_scripts": {"wherobots-local": f"{SERVER}.cli:main"},
        "pytest11": {"wherobots_local": f"{SERVER}.pytest_plugin"},
    },
}
NEEDS = {
    PROVIDER: {
        "": {"aiohttp>=3.11.18", "apache-airflow>=2.11.0", "pendulum>=3.1.0", "requests>=2.32.3"},
        "extra == 'sql'": {
            "apache-airflow-providers-common-sql>=1.27.1",
            "cbor2>=5.6.5",
            "pandas>=2.1.4",
            "pyarrow>=16.1",
        },
    },
    SERVER: {
        "": {
            "cbor2>=5.6.5",
            "certifi>=2024.7.4",
            "cryptography>=42.0",
            "pydantic>=2.11",
            "starlette>=0.47",
            "uvicorn>=0.35",
            "websockets>=14.2",
        },
        "extra == 'sql'": {
            "duckdb-extension-spatial<1.6,>=1.5.5",
            "duckdb<1.6,>=1.5.5",
            "pyarrow>=18",
            "sqlglot<31,>=30.30",
        },
        "extra == 'spark'": {"pyspark<4.2,>=3.5.5"},
    },
}


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def info(distribution: Distribution) -> str:
    return f"{distribution.package}-{__version__}.dist-info"


def metadata_of(distribution: Distribution) -> Message:
    return email.message_from_bytes(contents(distribution.wheel)[f"{info(distribution)}/METADATA"])


def files_of(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(distribution: Distribution) -> None:
    names = set(contents(distribution.wheel))

    assert names == distribution.sources() | {
        f"{info(distribution)}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert f"{distribution.package}/py.typed" in names
    assert (f"{PROVIDER}/task_page/static/page.html" in names) == (distribution.package == PROVIDER)


def test_airflow_the_shell_and_pytest_find_the_entry_points(distribution: Distribution) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(contents(distribution.wheel)[f"{info(distribution)}/entry_points.txt"].decode())

    found = {name: dict(entry_points[name]) for name in entry_points.sections()}
    assert found == ENTRY_POINTS[distribution.package]


def test_the_metadata_asks_for_sql_and_spark_only_in_their_extras(distribution: Distribution) -> None:
    metadata = metadata_of(distribution)
    needs: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        need, _, marker = line.partition(";")
        needs.setdefault(marker.strip(), set()).add(need.strip())

    assert needs == NEEDS[distribution.package]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_services_page_is_not_called_the_projects_documentation(distribution: Distribution) -> None:
    links = dict(link.split(", ", 1) for link in metadata_of(distribution).get_all("Project-URL", []))
    labels = [label for label, address in links.items() if "docs.wherobots.com" in address]
    assert labels in ([], ["Wherobots Runs REST API"])


def test_the_source_distribution_builds_the_same_wheel(distribution: Distribution) -> None:
    assert contents(distribution.wheel_from_sdist) == contents(distribution.wheel)
    assert distribution.wheel_from_sdist.read_bytes() == distribution.wheel.read_bytes()


def test_the_providers_source_distribution_is_complete(distribution_of: Callable[[str], Distribution]) -> None:
    names = files_of(distribution_of(PROVIDER).sdist)

    assert distribution_of(PROVIDER).sources() <= names
    assert {f"local_server/{name}" for name in distribution_of(SERVER).sources()} <= names
    assert {"README.md", "LICENSE", "Makefile", "pyproject.toml", "tests/conftest.py", "tox.ini"} <= names
    assert {"CONTRIBUTING.md", "RELEASING.md", "SECURITY.md", "local_server/pyproject.toml"} <= names
    assert not [name for name in names if ".venv" in name or (name.startswith((".", "build")) and name != ".gitignore")]


def test_the_servers_source_distribution_is_complete(distribution_of: Callable[[str], Distribution]) -> None:
    """Its tests share fixtures with the provider's, and stay in the repository."""
    server = distribution_of(SERVER)
    beside = {"CHANGELOG.md", "LICENSE", "README.md", "PKG-INFO", "pyproject.toml"}
    folder = FOLDERS[SERVER]
    pages = {path.relative_to(folder).as_posix() for path in (folder / "docs").rglob("*.*")}

    assert files_of(server.sdist) - {".gitignore"} == server.sources() | beside | pages
