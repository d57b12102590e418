"""The direction of imports: every room imports only what stands below it, and nothing of Airflow below the hook.

``tests/integration/test_imports.py`` imports what Airflow reads at its start.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_wherobots"
ROOT = Path(importlib.import_module(PACKAGE).__path__[0])
ALL = sorted(ROOT.rglob("*.py"))

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "words": (),
    "api": ("api", "words"),
    "logs": ("api.runs.models", "logs", "words"),
    "files": ("api.errors", "api.storage", "files"),
    "runs": ("api", "logs", "words", "runs", "stored"),
    "io": ("api", "files", "logs", "words", "runs.memory", "io"),
    "flows": ("api", "files", "logs", "words", "runs", "io.base", "io.rate_limit", "flows", "stored"),
    "sql": ("api.errors", "api.sql", "sql"),
    "dbapi": ("api", "flows", "io", "logs", "sql", "words", "compat", "exceptions", "dbapi"),
    "doctor": ("api", "logs", "words", "runs", "io.base", "flows", "doctor"),
    "task_log": ("logs", "compat", "task_log"),
    "links": ("api", "compat", "stored", "links"),
    "task_memory": ("flows", "runs", "words", "compat", "exceptions"),
    "hooks": (
        *("api", "files", "logs", "words", "runs", "flows", "io", "sql", "dbapi", "task_log", "task_memory"),
        *("compat", "config", "exceptions", "hooks"),
    ),
    "triggers": (
        *("api", "words", "runs", "flows", "io", "task_log", "hooks", "links"),
        *("compat", "stored", "triggers"),
    ),
    "tasks": (
        *("api", "files", "logs", "words", "runs", "flows", "io", "sql", "dbapi", "hooks", "links", "triggers"),
        *("task_memory", "compat", "config", "exceptions", "stored", "tasks"),
    ),
    "sensors": (
        *("api", "words", "runs", "flows", "links", "tasks"),
        *("compat", "config", "exceptions", "stored", "sensors"),
    ),
    "operators": (
        *("api", "words", "runs", "flows", "sql", "dbapi", "hooks", "links", "tasks"),
        *("compat", "config", "exceptions", "stored", "operators"),
    ),
    "decorators": ("api", "logs", "operators", "tasks", "compat", "decorators"),
    "cli": (
        *("api", "logs", "words", "runs", "flows", "io", "dbapi", "doctor", "hooks"),
        *("operators.run", "compat", "config", "exceptions", "stored", "cli"),
    ),
    "compat": (),
    "config": ("compat",),
    "exceptions": ("api", "compat"),
    "retry_policies": ("api", "exceptions"),
    "cosmos": ("api", "exceptions", "hooks"),
    "get_provider_info": ("api", "config", "hooks"),
    "__main__": ("cli",),
    "decorators.script": ("api.errors", "logs.result"),
    "task_page": ("compat", "config", "get_provider_info", "task_page"),
    "stored": (),
}
"""What a room may import of this package: itself, and what stands below it."""
EXCEPT: dict[str, tuple[str, ...]] = {
    "api": ("api.transports",),
    "runs": ("api.transports",),
    "flows": ("api.transports",),
    "doctor": ("api.transports",),
    "dbapi": ("api.transports",),
}
"""What it may not import all the same. The transports themselves stand above the rest of ``api``."""
WITHOUT_AIRFLOW = (
    "api",
    "files",
    "logs",
    "words",
    "runs",
    "flows",
    "io",
    "sql",
    "doctor",
    "decorators.script",
    "stored",
)


def files_of(room: str) -> list[Path]:
    path = room.replace(".", "/")
    return sorted((ROOT / path).rglob("*.py")) or [ROOT / f"{path}.py"]


@cache
def imports_of(path: Path) -> list[str]:
    """Every module that a file imports, anywhere in it, also under ``TYPE_CHECKING``."""
    return list(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: imports are absolute"
            assert node.level == 0, f"{path}: imports are absolute"
            # `from package import module` imports the module.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name for name in names if is_module(name)] or [node.module]


@cache
def is_module(name: str) -> bool:
    path = ROOT.parent / name.replace(".", "/")
    return path.is_dir() or path.with_name(f"{path.name}.py").exists()


def is_within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def wrong_imports(room: str) -> list[str]:
    wrong = []
    for path in files_of(room):
        file = path.relative_to(ROOT).as_posix()
        forbidden = () if file.startswith("api/transports/") else EXCEPT.get(room, ())
        for imported in imports_of(path):
            name = imported.removeprefix(f"{PACKAGE}.")
            if name == imported:
                continue
            if not is_within(name, MAY_IMPORT[room]) or is_within(name, forbidden):
                wrong.append(f"{file} imports {name}")
    return wrong


def circles(imports: Mapping[str, Iterable[str]]) -> set[frozenset[str]]:
    """The groups of files each of which needs all others of its group, also if only for types."""

    def needed(name: str) -> set[str]:
        found: set[str] = set()
        left = [name]
        while left:
            left += set(imports.get(name := left.pop(), ())) - found
            found |= set(imports.get(name, ()))
        return found

    reached = {name: needed(name) for name in imports}
    return {
        frozenset(other for other in found if name in reached.get(other, ()))
        for name, found in reached.items()
        if name in found
    }


def modules_of(room: str) -> list[str]:
    name = f"{PACKAGE}.{room}"
    if not (ROOT / room).is_dir():
        return [name]
    return [name, *(found.name for found in pkgutil.walk_packages([str(ROOT / room)], f"{name}."))]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    assert wrong_imports(room) == []


def test_each_room_has_its_row() -> None:
    rooms = {path.relative_to(ROOT).with_suffix("").parts[0] for path in ALL} - {"__init__"}
    assert rooms - set(MAY_IMPORT) == set()


def test_no_room_needs_one_that_needs_it() -> None:
    needs = {room: {name.partition(".")[0] for name in may} - {room} for room, may in MAY_IMPORT.items()}
    assert circles(needs) == set()


def test_the_check_sees_an_arrow_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAY_IMPORT, "io", ("logs", "io"))
    assert "io/worker.py imports api.call" in wrong_imports("io")


def test_no_file_needs_one_that_needs_it() -> None:
    """A circle of files is one file in pieces: none of them can be read, tested or moved without the others."""
    names = {path: f"{PACKAGE}.{path.relative_to(ROOT).with_suffix('').as_posix()}".replace("/", ".") for path in ALL}
    found = circles({name: imports_of(path) for path, name in names.items()})
    assert found == set()


def test_a_circle_is_seen() -> None:
    assert circles({"a": ["b"], "b": ["c", "e"], "c": ["a"], "d": ["a"], "e": []}) == {frozenset("abc")}


@pytest.mark.parametrize("room", WITHOUT_AIRFLOW)
def test_no_file_below_the_hook_names_airflow(room: str) -> None:
    """Also where it is imported only when something is called, or only for types."""
    names = [name for path in files_of(room) for name in imports_of(path)]
    assert [name for name in names if is_within(name, ("airflow",))] == []


def test_the_provider_knows_nothing_of_the_local_server() -> None:
    """It is a product of its own, and no worker has it."""
    names = {name.partition(".")[0] for path in ROOT.rglob("*.py") for name in imports_of(path)}
    assert {PACKAGE, "airflow", "requests"} <= names
    assert "wherobots_local" not in names


def test_a_public_name_means_one_thing() -> None:
    counts = Counter(
        node.name
        for path in ROOT.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in counts.items() if count > 1] == []


def test_a_file_gives_no_name_twice() -> None:
    """When files are joined, a constant of one must not silently become that of the other."""
    for path in ALL:
        assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
        names = Counter(name.id for node in assigned for name in node.targets if isinstance(name, ast.Name))
        assert [name for name, count in names.items() if count > 1 and not name.startswith("__")] == [], path
