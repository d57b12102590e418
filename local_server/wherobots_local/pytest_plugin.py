"""The pytest plugin. Every pytest in the server's environment imports this module, so it imports the server only when a
test uses it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wherobots_local.server import LocalServer


@pytest.fixture(scope="session", name="wherobots_local_init")
def _wherobots_local_init() -> str | os.PathLike[str] | None:
    """A file with the SQL statements that make tables at the start and after each reset. Override it to have some."""
    return None


@pytest.fixture(scope="session", name="wherobots_local")
def _wherobots_local(
    tmp_path_factory: pytest.TempPathFactory, wherobots_local_init: str | os.PathLike[str] | None
) -> Iterator[LocalServer]:
    """A local Wherobots server on a free port, with a temporary folder behind s3://, for all tests."""
    from wherobots_local.server import LocalServer

    with LocalServer(tmp_path_factory.mktemp("wherobots-local"), init=wherobots_local_init) as server:
        yield server


@pytest.fixture(name="fresh_wherobots_local")
def _fresh_wherobots_local(wherobots_local: LocalServer) -> Iterator[LocalServer]:
    """The same server, reset before and after the test: no runs, files, faults or requests, default switches."""
    wherobots_local.control.reset()
    yield wherobots_local
    wherobots_local.control.reset()
