"""A SQL session that a setup task starts and its teardown stops, against the local server."""

import asyncio
import re
from typing import Any

import pytest

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsQuotaException,
    WherobotsSqlSessionException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.sql import session as session_flows
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from tests.integration import sql_support
from tests.integration.sql_support import set_connection
from tests.integration.support import TaskInstance, context
from tests.support.places import TREE
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

server, control = sql_support.server, sql_support.control


@pytest.fixture(autouse=True)
def connection(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server)


def is_alive(control: SqlControl, session_id: str) -> bool:
    return not control.sql_session(session_id)["status"].startswith("DESTROY")


def test_a_session_is_started_used_and_stopped(control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=1)
    session_id = WherobotsSqlHook(runtime="tiny", session_key="ours").start_session()
    found = control.sql_session(session_id)
    assert found["status"] == "READY"
    sent = found["apiPayload"]
    assert (sent["runtimeId"], sent["sessionKey"], sent["shutdownAfterInactiveSeconds"]) == ("tiny", "ours", 300)
    sharing: list[dict[str, Any]] = [{"session_id": session_id}, {"session_key": "ours", "runtime": "tiny"}]
    for arguments in sharing:
        ti = TaskInstance()
        WherobotsSqlOperator(task_id="task", sql="SELECT 1", deferrable=False, **arguments).execute(context(ti))
        assert ti.xcoms["session_id"] == session_id
    for _ in range(2):
        WherobotsSqlHook().stop_session(session_id)
        assert not is_alive(control, session_id)


def test_a_retry_gets_the_same_session_by_its_key_and_another_key_another() -> None:
    first, retried, other = (WherobotsSqlHook(session_key=key).start_session() for key in ("a", "a", "b"))
    assert first == retried != other


def test_a_client_that_can_send_no_key_gets_the_session_that_has_none(control: SqlControl) -> None:
    session_id = WherobotsSqlHook(shutdown_after_inactive_seconds=901).start_session()
    assert control.sql_session(session_id)["apiPayload"]["sessionKey"] is None
    other = WherobotsSqlHook(shutdown_after_inactive_seconds=901)
    other.get_first("SELECT 1")
    assert other.session is not None
    assert other.session.id == session_id


def test_the_shared_session_that_is_offered_when_quota_is_used_up_is_not_taken(control: SqlControl) -> None:
    other = WherobotsSqlHook(session_key="other").start_session()
    control.behaviour(sql_max_sessions=1)
    with pytest.raises(WherobotsQuotaException, match="which others use"):
        WherobotsSqlHook(session_key="ours").start_session()
    assert is_alive(control, other)


def test_a_session_that_is_late_or_refused_is_an_error(control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    with pytest.raises(WherobotsSqlSessionException, match="session_wait_timeout=1"):
        WherobotsSqlHook(session_wait_timeout=1).start_session()
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_OUTAGE_SECONDS", "0")
    control.add_fault("createSqlSession", {"type": "status", "status": 403})
    with pytest.raises(WherobotsUnavailableException):
        WherobotsSqlHook().start_session()


def test_a_start_does_not_block_an_event_loop(control: SqlControl) -> None:
    async def start() -> None:
        WherobotsSqlHook().start_session()

    with pytest.raises(WherobotsArgumentException, match=r"asyncio\.to_thread"):
        asyncio.run(start())
    assert control.requests() == []


def test_a_stop_that_fails_is_told_and_may_be_retried(control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = WherobotsSqlHook().start_session()
    monkeypatch.setattr(session_flows, "MIN_STOP_PAUSE_SECONDS", 1000.0)
    control.add_fault("deleteSqlSession", {"type": "status", "status": 503})
    with pytest.raises(WherobotsUnavailableException, match="could not be stopped"):
        WherobotsSqlHook().stop_session(session_id)
    assert is_alive(control, session_id)


@pytest.mark.parametrize("session_id", [["a"], "..", " ", None, "None"])
def test_a_stop_with_something_else_sends_nothing(control: SqlControl, session_id: Any) -> None:
    with pytest.raises(WherobotsArgumentException, match="session_id="):
        WherobotsSqlHook().stop_session(session_id)
    assert control.requests() == []


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="the page imports from airflow.sdk")
def test_the_setup_task_of_the_page_starts_a_session_and_its_teardown_stops_it(control: SqlControl) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (TREE / "docs/sql-sessions.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (block,) = (block for block in blocks if "@setup" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "sql-sessions.md", "exec"), names)  # noqa: S102 - our own documentation
    start, stop = (names["session_id"].operator.dag.get_task(name) for name in ("start", "stop"))
    assert (start.is_setup, stop.is_teardown) == (True, True)
    assert (start.downstream_task_ids, stop.upstream_task_ids) == ({"count", "stop"}, {"count", "start"})
    session_id = names["start"].function("manual__1")
    assert control.sql_session(session_id)["apiPayload"]["sessionKey"] == "hail manual__1"
    names["stop"].function(session_id)
    assert not is_alive(control, session_id)
