"""The rooms of the local server: which folder may import which, and one name for one thing."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_wherobots
from airflow_provider_wherobots.local import LocalServer
from airflow_provider_wherobots.local.settings import ServerSettings

PACKAGE = Path(airflow_provider_wherobots.__file__).parent
CHECKOUT = PACKAGE.parent
LOCAL = PACKAGE / "local"
PREFIX = "airflow_provider_wherobots.local."


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows() -> dict[str, set[str]]:
    """Which rooms each room imports. A room is a folder of ``local/``, or a module that lies in none."""
    found: dict[str, set[str]] = {}
    for path in LOCAL.rglob("*.py"):
        if path.parent == LOCAL and path.stem in ("__init__", "__main__"):
            continue
        room = path.relative_to(LOCAL).parts[0].removesuffix(".py")
        names = (name.removeprefix(PREFIX) for name in imported_modules(path) if name.startswith(PREFIX))
        found.setdefault(room, set()).update({name.partition(".")[0] for name in names} - {room})
    return found


def test_no_circle_leads_through_the_rooms() -> None:
    assert len(list(TopologicalSorter(arrows()).static_order())) > 10


def test_what_the_api_says_and_what_runs_are_know_nothing_of_the_rest() -> None:
    found = arrows()
    assert found["api"] == found["storage"] == found["security"] == set()
    assert found["runs"] == {"api"}
    assert found["files"] == {"api", "storage"}
    assert found["views"] == {"api", "runs", "files"}
    assert "http" not in found["sql"] | found["control"]


@pytest.mark.parametrize(
    ("packages", "rooms"),
    [
        ({"starlette", "uvicorn"}, {"http"}),
        ({"pydantic"}, {"api", "control"}),
        ({"psutil"}, {"execution"}),
        ({"cbor2"}, {"http"}),
    ],
)
def test_which_rooms_need_what_of_the_extra(packages: set[str], rooms: set[str]) -> None:
    needing = {
        path.relative_to(LOCAL).parts[0]
        for path in LOCAL.rglob("*.py")
        if path != LOCAL / "__init__.py" and {name.partition(".")[0] for name in imported_modules(path)} & packages
    }
    assert needing == rooms


def test_nothing_under_tests_unit_needs_the_extra() -> None:
    needing = [
        path.name
        for path in (CHECKOUT / "tests" / "unit").rglob("*.py")
        if any(name.startswith(PREFIX.rstrip(".")) for name in imported_modules(path))
    ]
    assert needing == []


def test_a_public_name_means_one_thing_in_the_package_and_its_tools() -> None:
    counts = Counter(
        node.name
        for folder in (PACKAGE, CHECKOUT / "dev")
        for path in folder.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in counts.items() if count > 1] == []


def test_the_server_takes_the_settings_and_nothing_else() -> None:
    assert inspect.signature(LocalServer) == inspect.signature(ServerSettings)
