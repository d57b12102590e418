"""A local server per test module; its switches, faults and journal are reset for every test."""

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, Client
from tests.support.fixtures import certificate, chromium, installed_packages, uv
from tests.support.made_up_sql import made_up_answers
from tests.support.properties import load_profile
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer
from wherobots_local.cli import main
from wherobots_local.security import API_KEY_VARIABLE

__all__ = ["certificate", "chromium", "installed_packages", "uv"]

load_profile()


@pytest.fixture(scope="session", autouse=True)
def made_up_sql() -> Iterator[None]:
    with made_up_answers():
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=KEY) as running:
        yield running


@pytest.fixture
def control(server: LocalServer) -> Iterator[SqlControl]:
    client = SqlControl(server)
    before = client.behaviour()
    client.clear_requests()
    yield client
    client.clear_faults()
    client.behaviour(**before)


@pytest.fixture
def client(server: LocalServer) -> Client:
    return Client(server.url, server.root)


@pytest.fixture
def sql(server: LocalServer, control: SqlControl) -> SqlClient:
    """A client of SQL without an engine: each answer is made up, or told by the test."""
    control.behaviour(sql_synthetic=True)
    control.clear_sql_answers()
    return SqlClient(server.url, server.root)


@pytest.fixture
def session(sql: SqlClient) -> dict[str, Any]:
    """A session that is ready, and no other test's."""
    return sql.ready(sessionType="single")


@pytest.fixture
def refusal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., str]]:
    """Runs the command with an option that it refuses, in this process, and returns what it says."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The command removes it from the environment.
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)

    def run(*arguments: str) -> str:
        assert main(["--root", str(tmp_path), "--port", "0", *arguments]) == 2
        printed, errors = capfd.readouterr()
        assert printed == ""
        assert errors.startswith("error: ")
        return errors.removeprefix("error: ")

    yield run
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for number, handler in handlers.items():
        signal.signal(number, handler)
