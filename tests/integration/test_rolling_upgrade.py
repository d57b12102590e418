"""Workers and triggerers of two versions side by side, as in a rolling upgrade.

``tests/compatibility`` holds, for each version, what it stores in Airflow's database: the trigger, what the task is
resumed with, and the event of each ending. Every later version reads all of these files.
"""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots import __version__
from airflow_provider_wherobots.api.errors import NotSentError
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.exceptions import (
    WherobotsExecutionTimeoutException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsRunNotStartedException,
    WherobotsRunPendingException,
    WherobotsRunTimedOutException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaWait
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWait
from airflow_provider_wherobots.flows.sql.statement import StatementOptions
from airflow_provider_wherobots.io.base import Pause
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import RunSummary
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger
from tests.integration.support import TaskInstance, context, deferral_of
from wherobots_local.control.client import ControlClient

FOLDER = Path(__file__).parent.parent / "compatibility"
STORED = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
STATUSES = {
    Ending.COMPLETED: "COMPLETED",
    Ending.FAILED: "FAILED",
    Ending.NOT_STARTED: "FAILED",
    Ending.PENDING_TOO_LONG: "CANCELLED",
    Ending.TIMED_OUT: "TIMED_OUT",
    Ending.CANCELLED: "CANCELLED",
    Ending.DEADLINE: "RUNNING",
    Ending.GAVE_UP: "UNKNOWN",
}
ENDINGS = [pytest.param(each, name, id=f"{each['version']}-{name}") for each in STORED for name in each["events"]]
EXCEPTIONS = {
    "failed": WherobotsRunFailedException,
    "not_started": WherobotsRunNotStartedException,
    "pending_too_long": WherobotsRunPendingException,
    "timed_out": WherobotsRunTimedOutException,
    "cancelled": WherobotsRunCancelledException,
    "deadline": WherobotsExecutionTimeoutException,
    "gave_up": WherobotsUnavailableException,
}
WHAT_TO_DO = f"""
What this version stores is not what tests/compatibility/{__version__}.json holds. Tasks that are deferred during an
upgrade are stored by one version and read by another, so a key may be added where its absence has a default, and must
not be renamed, removed or take another meaning. If version {__version__} is not released yet, write the file anew with
  WRITE_COMPATIBILITY=1 python -m pytest tests/integration/test_rolling_upgrade.py
and look at the difference. If it is released, leave its file alone, raise the version, and write that one's."""


def later(value: Any) -> Any:
    """The same as a later version may send it: with one more key on every level."""
    return {**{key: later(one) for key, one in value.items()}, "later": {"a": 1}} if isinstance(value, dict) else value


def task(**arguments: Any) -> WherobotsRunOperator:
    return WherobotsRunOperator(task_id="task", run_python={"uri": "s3://jobs/talk.py", "args": [1]}, **arguments)


def trigger_of(stored: dict[str, Any]) -> Any:
    """Make the trigger as every Airflow's triggerer does."""
    module, _, name = stored["classpath"].rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)(**stored["kwargs"])


def stored_by_each(*parts: str) -> pytest.MarkDecorator:
    """What each version stores, without those that do not know one of these parts yet."""
    known = [stored for stored in STORED if stored.keys() >= set(parts)]
    return pytest.mark.parametrize("stored", known, ids=lambda stored: stored["version"])


@pytest.mark.parametrize("as_sent", [lambda value: value, later], ids=["as stored", "with later keys"])
class TestStored:
    @stored_by_each("trigger")
    def test_the_trigger(self, stored: dict[str, Any], as_sent: Callable[[Any], Any]) -> None:
        given = stored["trigger"]["kwargs"]
        trigger = trigger_of({**stored["trigger"], "kwargs": as_sent(given)})
        classpath, kwargs = trigger.serialize()
        assert classpath == stored["trigger"]["classpath"]
        assert kwargs["follow"].items() >= given["follow"].items()
        assert kwargs.items() >= {**given, "follow": kwargs["follow"]}.items()
        assert "later" not in kwargs | kwargs["follow"]

    @pytest.mark.parametrize(("stored", "ending"), ENDINGS)
    def test_the_event_of_each_ending(
        self, stored: dict[str, Any], as_sent: Callable[[Any], Any], ending: str, conn_id: str
    ) -> None:
        event, kwargs = as_sent(stored["events"][ending]), as_sent(stored["resume"]["kwargs"])
        resumed = getattr(task(wherobots_conn_id=conn_id), stored["resume"]["method"])
        xcoms: dict[str, Any] = {}
        if ending == "completed":
            assert resumed(context(TaskInstance(xcoms=xcoms)), event=event, **kwargs) == event["run_id"]
        else:
            with pytest.raises(EXCEPTIONS[ending], match=event["run_id"]):
                resumed(context(TaskInstance(xcoms=xcoms)), event=event, **kwargs)
        assert xcoms.get("run_summary") == event["summary"]


@stored_by_each("quota")
@pytest.mark.parametrize("as_sent", [lambda value: value, later], ids=["as stored", "with later keys"])
def test_a_wait_for_quota_goes_on(stored: dict[str, Any], as_sent: Callable[[Any], Any], conn_id: str) -> None:
    trigger, resume = stored["quota"]["trigger"], stored["quota"]["resume"]
    given = trigger["kwargs"]
    classpath, kwargs = trigger_of({**trigger, "kwargs": as_sent(given)}).serialize()
    assert (classpath, kwargs) == (trigger["classpath"], {"until": given["until"]})
    xcoms: dict[str, Any] = {}
    resumed = getattr(task(wherobots_conn_id=conn_id, wait_for_completion=False), resume["method"])
    run_id = resumed(context(TaskInstance(xcoms=xcoms)), event={}, **as_sent(resume["kwargs"]))
    assert xcoms["run_id"] == run_id
    stored_wait = resume["kwargs"]["quota"]
    assert QuotaWait.from_kwargs(as_sent(stored_wait)).to_kwargs().items() >= stored_wait.items()


@stored_by_each("sql")
def test_the_triggers_of_sql_and_what_their_tasks_resume_with(stored: dict[str, Any]) -> None:
    for deferral, parts in ((stored["sql"]["session"], ("wait",)), (stored["sql"]["statement"], ("follow",))):
        trigger, resume = deferral["trigger"], deferral["resume"]
        given = trigger["kwargs"]
        classpath, kwargs = trigger_of({**trigger, "kwargs": later(given)}).serialize()
        assert classpath == trigger["classpath"]
        assert all(kwargs[part].items() >= given[part].items() for part in parts)
        assert kwargs.items() >= {**given, **{part: kwargs[part] for part in parts}}.items()
        assert "later" not in kwargs | kwargs[parts[0]]
        signature(getattr(WherobotsSqlOperator, resume["method"])).bind("self", {}, {}, **later(resume["kwargs"]))
    assert SessionWait.from_kwargs(later(stored["sql"]["session"]["resume"]["kwargs"]["wait"])).timeout == 900.0
    for state, event in stored["sql"]["events"].items():
        assert StatementOutcome.from_event(later(event)).to_event().items() >= event.items()
        assert event["state"] == state


@pytest.mark.parametrize(
    ("stored", "execution_id"),
    [
        (
            {
                "classpath": "airflow_provider_wherobots.triggers.sql_session.WherobotsSqlSessionTrigger",
                "kwargs": {"session_id": "s1", "wait": {"timeout": 9.0, "deadline": 1e10}, "stop_on_kill": False},
            },
            "",
        ),
        (
            {
                "classpath": "airflow_provider_wherobots.triggers.sql_statement.WherobotsSqlStatementTrigger",
                "kwargs": {
                    "execution_id": "e1",
                    "follow": {"url": "wss://s1", "deadline": 1e10, "session_id": "s1"},
                    "tells_address": False,
                    "stops_session": False,
                },
            },
            "e1",
        ),
    ],
    ids=["session", "statement"],
)
def test_the_two_triggers_of_sql_that_an_earlier_state_has_stored(stored: dict[str, Any], execution_id: str) -> None:
    given = {"wherobots_conn_id": "wherobots_default", **stored["kwargs"]}
    classpath, kwargs = trigger_of({**stored, "kwargs": given}).serialize()
    assert classpath == "airflow_provider_wherobots.triggers.sql.WherobotsSqlTrigger"
    assert (kwargs["session_id"], kwargs["execution_id"]) == ("s1", execution_id)
    for part in {"wait", "follow"} & given.keys():
        assert kwargs[part].items() >= given[part].items()
    assert kwargs["tells_address"] is given.get("tells_address", True)


def test_a_state_of_a_statement_that_is_not_known_is_an_unknown_outcome() -> None:
    assert StatementOutcome.from_event({"state": "polished"}).state is StatementState.UNKNOWN
    trigger = WherobotsSqlTrigger("wherobots_default", "s1", execution_id="e1")
    assert (trigger.options, trigger.tells_address, trigger.own_key) == (StatementOptions(), True, "")


@pytest.mark.parametrize("ending", ["polished", "Completed", ""])
def test_an_ending_that_is_not_known_fails_no_completed_run(conn_id: str, ending: str) -> None:
    event = {**Outcome(Ending.COMPLETED, "r1", "COMPLETED").to_event(), "ending": ending}
    assert task(wherobots_conn_id=conn_id).execute_complete(context(TaskInstance()), event=event) == "r1"


def test_a_trigger_without_what_a_later_version_added_takes_the_defaults() -> None:
    trigger = WherobotsRunTrigger("wherobots_default", {"run_id": "r1", "started_at": 5.0})
    assert trigger.options == FollowOptions("r1", 5.0)
    assert trigger.cancel_on_kill


def stored_by_this_version(conn_id: str) -> dict[str, Any]:
    deferred = deferral_of(task(wherobots_conn_id=conn_id, execution_timeout=timedelta(hours=1)), TaskInstance())
    classpath, kwargs = deferred.trigger.serialize()
    run = Run.from_json({"id": "r1", "status": "COMPLETED", "name": "dag.task"})
    summary = RunSummary.of_run(run).to_json()
    ended = set(Ending) - {Ending.DEADLINE, Ending.GAVE_UP}
    wait = AwaitingQuota(QuotaWait(3600.0, True, deadline=1e10, since=1e8, refusals=1), Pause(300.0))
    attempt = task(wherobots_conn_id=conn_id)._new_attempt(context(TaskInstance()))
    with pytest.raises(TaskDeferred) as waiting:
        attempt.defer_for_quota(wait, "execute_after_quota_wait", attempt.kept())
    quota_classpath, quota_kwargs = waiting.value.trigger.serialize()
    return {
        "version": __version__,
        "quota": {
            "trigger": {"classpath": quota_classpath, "kwargs": quota_kwargs},
            "resume": {"method": waiting.value.method_name, "kwargs": waiting.value.kwargs},
        },
        "sql": stored_of_sql(),
        "trigger": {"classpath": classpath, "kwargs": kwargs},
        "resume": {"method": deferred.method_name, "kwargs": deferred.kwargs},
        "events": {
            ending.value: Outcome(
                ending, "r1", status, "a reason", "the end\nof its log", 5.0, summary if ending in ended else None
            ).to_event()
            for ending, status in STATUSES.items()
        },
    }


def stored_of_sql() -> dict[str, Any]:
    operator = WherobotsSqlOperator(
        task_id="task", sql="SELECT 1", execution_timeout=timedelta(hours=1), deferrable=True
    )
    attempt = operator._new_attempt(context(TaskInstance()))
    attempt.resume(None, {"session_id": "s1"})
    attempt._connection = Mock(options=lambda: StatementOptions("wss://s1", session_id="s1"))
    attempt.run = Mock(side_effect=NotSentError("getSqlSession", "refused"))  # type: ignore[method-assign]
    with pytest.raises(TaskDeferred) as session:
        attempt.await_session_or_defer(SessionWait(deadline=1e10, since=1e9))
    with pytest.raises(TaskDeferred) as statement:
        attempt._hand_over(StatementOutcome(StatementState.RUNNING, "e1", started_at=1e9), index=0)
    return {
        **{
            name: {
                "trigger": dict(zip(("classpath", "kwargs"), deferred.trigger.serialize(), strict=True)),
                "resume": {"method": deferred.method_name, "kwargs": deferred.kwargs},
            }
            for name, deferred in (("session", session.value), ("statement", statement.value))
        },
        "events": {
            state.value: StatementOutcome(state, "e1", "a reason", None, "s3://a/b", 7, 5.0, 1e9).to_event()
            for state in StatementState
        },
    }


def shape(value: Any) -> Any:
    """Keys and types: what is left when ids and times are taken away."""
    if isinstance(value, list):
        return [shape(one) for one in value]
    return {key: shape(one) for key, one in value.items()} if isinstance(value, dict) else type(value).__name__


def test_what_this_version_stores_is_on_file(conn_id: str, control: ControlClient) -> None:
    now = json.loads(json.dumps(stored_by_this_version(conn_id)))
    file = FOLDER / f"{__version__}.json"
    if os.environ.get("WRITE_COMPATIBILITY"):
        file.write_text(json.dumps(now, indent=2) + "\n")
    assert file.exists(), WHAT_TO_DO
    stored = json.loads(file.read_text())
    assert set(now["events"]) == {ending.value for ending in Ending}, "an ending has no event here"
    assert shape(now) == shape(stored), WHAT_TO_DO
    for part in (("trigger", "classpath"), ("resume", "method")):
        assert now[part[0]][part[1]] == stored[part[0]][part[1]], WHAT_TO_DO
