"""Both transports, without the proxies of this machine."""

import pytest

from tests.integration.api.transports.wire import Send, send_by_aiohttp, send_by_requests


@pytest.fixture(params=[send_by_requests, send_by_aiohttp], ids=["requests", "aiohttp"])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.param
    return chosen


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
