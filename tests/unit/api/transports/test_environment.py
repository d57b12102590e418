"""The TLS context of a process."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from airflow_provider_wherobots.api.transports import environment
from airflow_provider_wherobots.api.transports.environment import ssl_context


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    environment._context_of.cache_clear()
    path = tmp_path / "ca.pem"
    shutil.copy(DEFAULT_CA_BUNDLE_PATH, path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


def test_connections_that_are_opened_at_once_share_one_context(bundle: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        contexts = set(threads.map(lambda _: ssl_context(), range(8)))
    assert len(contexts) == 1


def test_another_trust_store_has_another_context(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ssl_context()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    default = ssl_context()
    assert default is not named
    assert ssl_context() is default


def test_a_trust_store_that_has_changed_is_read_again(bundle: Path) -> None:
    before = ssl_context()
    os.utime(bundle, (1, 1))
    assert ssl_context() is not before
