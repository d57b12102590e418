"""Sessions of one database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_server.tests.sql.driver import EngineDriver
from wherobots_local.execution.workspace import own_folder
from wherobots_local.sql.database.engine import Database
from wherobots_local.sql.database.statement import Session
from wherobots_local.sql.database.warehouse import Warehouse


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose name has characters that mean something in SQL."""
    root = tmp_path_factory.mktemp("a" * 100) / 'it\'s 50% "data"'
    (root / "bucket").mkdir(parents=True)
    own_folder(root)
    return root


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def engine(folder: Path, runner: asyncio.Runner) -> Iterator[EngineDriver]:
    driver = EngineDriver("first", Database(folder), runner)
    driver.wait(driver.engine.start())
    yield driver
    driver.close()


@pytest.fixture
def other(engine: EngineDriver, runner: asyncio.Runner) -> Iterator[EngineDriver]:
    """Another session of the same database."""
    driver = EngineDriver("second", engine.database, runner)
    driver.wait(driver.engine.start())
    yield driver
    driver.close()


@pytest.fixture
def apart(tmp_path: Path, runner: asyncio.Runner) -> Iterator[EngineDriver]:
    """A session of a database of its own."""
    own_folder(tmp_path)
    driver = EngineDriver("third", Database(tmp_path), runner)
    driver.wait(driver.engine.start())
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session of a database of its own, in the tests' process."""
    root = tmp_path_factory.mktemp("session")
    session = Session(Warehouse(root, root, 2 * 1024**3), "tests")
    yield session
    session.close()
