"""A local server per test module; its switches, faults and journal are reset for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.fixtures import certificate, chromium, installed_packages, uv
from local_server.tests.support import KEY, Client
from wherobots_local import ControlClient, LocalServer

__all__ = ["certificate", "chromium", "installed_packages", "uv"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=KEY) as running:
        yield running


@pytest.fixture
def control(server: LocalServer) -> Iterator[ControlClient]:
    client = server.control
    before = client.behaviour()
    client.clear_requests()
    yield client
    client.clear_faults()
    client.behaviour(**before)


@pytest.fixture
def client(server: LocalServer) -> Client:
    return Client(server.url, server.root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bucket").mkdir(parents=True)
    return folder
