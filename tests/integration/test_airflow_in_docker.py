"""What the recipe for Airflow in Docker relies on: the provider reaches a local server by another name, over TLS.

Docker's name for the host is resolved here as its resolver does there. Nothing else is replaced.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call, read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport, shared_sessions
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from local_server.tests.started import Started
from local_server.tests.support import KEY

NAME = "host.docker.internal"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / "certificate" / "ca-bundle.pem"


@pytest.fixture
def url(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    resolve = socket.getaddrinfo

    def resolve_host(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == NAME else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_host)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Started(tmp_path, "--make-certificate", str(bundle.parent), "--host-name", NAME, key=KEY)
    try:
        url = f"https://{NAME}:{server.ready['port']}"
        connection = {"conn_type": "wherobots", "host": url, "password": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
        yield url
    finally:
        server.end()


def test_the_hook_reaches_the_server(url: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    hook = WherobotsHook()
    run = hook.create_run({"name": "from_docker", "runPython": {"uri": "s3://jobs/none.py"}})
    assert hook.get_run(run.id).name == "from_docker"
    assert hook.test_connection()[0]


def test_the_triggerer_reaches_the_server(url: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    call: Call[Any] = calls.create_run({"name": "from_docker", "runPython": {"uri": "s3://jobs/none.py"}})

    async def create() -> str:
        async with shared_sessions(url) as sessions:
            response = await AiohttpTransport(Endpoint(url, KEY), sessions).send(call, 10.0, 10.0)
            return str(read_response(call, response).name)

    assert asyncio.run(create()) == "from_docker"


def test_without_the_bundle_nothing_is_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    worked, told = WherobotsHook().test_connection()
    assert not worked
    assert "certificate" in told.lower()
