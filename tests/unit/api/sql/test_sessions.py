from typing import Any

import pytest

from airflow_provider_wherobots.api.sql.sessions import SqlSession

FULL: dict[str, Any] = {
    "id": "s1",
    "status": "READY",
    "message": "ready",
    "regionName": "aws-us-west-2",
    "appMeta": {"url": "https://c.example.com/sql/o/s1/ws", "resolved_version": "1.9.3"},
    "of_a_later_version": {},
}


def read(**changes: Any) -> SqlSession:
    session = SqlSession.from_json({**FULL, **changes})
    assert session is not None
    return session


def test_a_session_is_read() -> None:
    assert read() == SqlSession("s1", "READY", "https://c.example.com/sql/o/s1/ws", "ready", "aws-us-west-2", "1.9.3")
    assert SqlSession.from_json(None) is None


@pytest.mark.parametrize("meta", [None, "", [], 5, {}, {"url": None}])
def test_a_session_without_an_address_is_not_ready(meta: Any) -> None:
    session = read(appMeta=meta)
    assert session.url == ""
    assert not session.is_ready
    assert not session.has_ended


@pytest.mark.parametrize(
    ("status", "ready", "ended"),
    [
        ("PENDING", False, False),
        ("DEPLOYED", False, False),
        ("READY", True, False),
        ("OF_A_LATER_VERSION", False, False),
        (None, False, False),
        ("PREPARE_FAILED", False, True),
        ("DEPLOY_FAILED", False, True),
        ("INIT_FAILED", False, True),
        ("DESTROYING", False, True),
        ("DESTROY_REQUESTED", False, True),
        ("DESTROYED", False, True),
    ],
)
def test_what_a_status_means(status: Any, ready: bool, ended: bool) -> None:
    session = read(status=status)
    assert (session.is_ready, session.has_ended) == (ready, ended)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://c.example.com/sql/o/s/ws", "wss://c.example.com/sql/o/s/ws/1.0.0"),
        ("https://c.example.com/ws/", "wss://c.example.com/ws/1.0.0"),
        ("https://c.example.com", "wss://c.example.com/1.0.0"),
        ("wss://c.example.com:8443/ws", "wss://c.example.com:8443/ws/1.0.0"),
        ("http://127.0.0.1:8000/ws", "ws://127.0.0.1:8000/ws/1.0.0"),
        ("ws://localhost/ws?x=1#y", "ws://localhost/ws/1.0.0"),
    ],
)
def test_the_address_of_the_websocket(url: str, expected: str) -> None:
    assert SqlSession("s1", "READY", url).socket_url == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "c.example.com/ws",
        "https://",
        "https://user:pw@c.example.com/",
        "http://c.example.com/",
        "https://c.example.com:port/",
        "https://[::1",
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ValueError, match="the session's address") as caught:
        _ = SqlSession("s1", "READY", url).socket_url
    assert "pw" not in str(caught.value)
