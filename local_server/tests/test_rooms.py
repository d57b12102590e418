"""The rooms of the local server: which folder may import which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import wherobots_local

LOCAL = Path(wherobots_local.__file__).parent
PREFIX = "wherobots_local."


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows() -> dict[str, set[str]]:
    """Which rooms each room imports. A room is a folder of the package, or a module that lies in none."""
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
    assert found["views"] == {"api", "control", "runs", "files"}
    assert "http" not in found["sql"] | found["control"]


@pytest.mark.parametrize(
    ("packages", "rooms"),
    [({"starlette", "uvicorn"}, {"http"}), ({"pydantic"}, {"api", "control"}), ({"cbor2"}, {"http"})],
)
def test_which_rooms_need_what(packages: set[str], rooms: set[str]) -> None:
    needing = {
        path.relative_to(LOCAL).parts[0]
        for path in LOCAL.rglob("*.py")
        if path != LOCAL / "__init__.py" and {name.partition(".")[0] for name in imported_modules(path)} & packages
    }
    assert needing == rooms


def test_the_server_knows_nothing_of_airflow_and_of_the_provider() -> None:
    names = {name.partition(".")[0] for path in LOCAL.rglob("*.py") for name in imported_modules(path)}
    assert {"starlette", "wherobots_local"} <= names
    assert [name for name in names if name.startswith("airflow")] == []


def test_its_name_imports_nothing_else() -> None:
    """Every pytest in an environment with the server imports the package, because it finds the plugin there."""
    code = "import sys; before = set(sys.modules); import wherobots_local; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} - {"wherobots_local", *sys.stdlib_module_names}
