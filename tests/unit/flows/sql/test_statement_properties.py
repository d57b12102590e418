"""Whatever befalls a statement, it is executed at most once, and no outcome says what is not so.

The rule in full. Let connections break, half-open or not, at any moments, let attempts to connect fail, let the
session lose final events, forget executions, double and delay its messages, and let the wall clock jump. Then
``execute`` writes ``execute_sql`` once at most, returns one outcome within a bounded time, and: SUCCEEDED, FAILED and
CANCELLED are what really became of the statement, a result is the real one, and what was not sent never arrived.
"""

import json
import math
from dataclasses import replace
from functools import partial
from typing import ParamSpec, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    ServerError,
)
from airflow_provider_wherobots.api.sql.messages import (
    CancelExecution,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    Results,
    RetrieveResults,
    ServerMessage,
    StateUpdated,
    Store,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import (
    Statement,
    StatementOptions,
    attach,
    execute,
    last_word_after_cancel,
)
from airflow_provider_wherobots.io.base import Flow
from tests.unit.flows.script import START
from tests.unit.flows.sql.fake_session import FAILURE, NEVER, RESULT, URL, Connection, FakeSession, Plan, SqlScript

SECONDS = st.floats(0, 5) | st.floats(0, 2_000)
FINALS = st.sampled_from(["succeeded", "failed", "cancelled"])
PLANS = st.builds(
    Plan,
    seconds=SECONDS,
    final=FINALS,
    results=st.sampled_from([RESULT, None]),
    result_uri=st.sampled_from(["s3://bucket/result", None]),
    progress_every=st.sampled_from([0.0, 1.0, 45.0]),
    is_final_event_lost=st.booleans(),
    forgotten_after=st.just(NEVER) | SECONDS,
    error_after=st.sampled_from([-1.0, 0.01, 3.0, NEVER]),
    copies=st.integers(1, 3),
    is_too_large=st.sampled_from([False, False, False, True]),
)
CONNECTIONS = st.lists(
    st.builds(
        Connection,
        seconds=st.just(NEVER) | SECONDS,
        noticed_after=st.sampled_from([0.0, 0.0, 1.0, 30.0, 200.0]),
        delay=st.sampled_from([0.01, 2.0]),
    ),
    max_size=6,
)
REFUSALS = st.lists(
    st.none()
    | st.sampled_from(
        [
            NotSentError("connectSqlSession", "refused"),
            ServerError("connectSqlSession", 503),
            RateLimitedError("connectSqlSession", 429, retry_after=20.0),
            NotFoundError("connectSqlSession", 404),
            AuthenticationError("connectSqlSession", 401),
        ]
    ),
    max_size=8,
).map(lambda refusals: [None, *refusals])
SESSIONS = st.builds(
    FakeSession,
    plans=PLANS.map(lambda plan: [plan]),
    connections=CONNECTIONS,
    refusals=REFUSALS,
    can_attach=st.booleans(),
    cancel_seconds=st.sampled_from([0.0, 1.0, NEVER]),
    answers=st.sampled_from([True, True, True, False]),
)
FAULTLESS = st.builds(
    FakeSession,
    plans=st.builds(
        Plan,
        seconds=SECONDS,
        final=FINALS,
        progress_every=st.sampled_from([0.0, 1.0, 45.0]),
        is_final_event_lost=st.booleans(),
        copies=st.integers(1, 3),
    ).map(lambda plan: [plan]),
)
STATEMENTS = st.builds(
    Statement,
    execution_id=st.just("e1"),
    text=st.just("SELECT 7"),
    store=st.sampled_from([None, Store("parquet")]),
    wants_result=st.booleans(),
)
JUMPS = st.lists(st.tuples(st.floats(0, 500), st.sampled_from([-86_400.0, -30.0, 30.0, 86_400.0])), max_size=3)
OPTIONS = st.builds(
    StatementOptions,
    url=st.just(URL),
    deadline=st.none() | st.floats(0, 1_000).map(lambda seconds: START + seconds),
    hand_over_after=st.none() | st.floats(0, 100),
)
LONGEST = 2_000 + 600 + 6 * 700 + 300
"""A statement of 2,000 s, forgotten, and each of six connections mute for as long as that takes to notice."""

TRUE_STATES = {
    StatementState.SUCCEEDED: "succeeded",
    StatementState.FAILED: "failed",
    StatementState.CANCELLED: "cancelled",
}


def check(script: SqlScript, outcome: StatementOutcome, statement: Statement) -> None:
    truth = script.truth("e1")
    executed = script.written(ExecuteSql)
    assert len(executed) <= 1
    assert outcome.execution_id == "e1"
    assert script.elapsed < LONGEST
    assert outcome.seconds >= 0
    assert json.loads(json.dumps(outcome.to_event()))
    if outcome.state is StatementState.NOT_SENT:
        assert executed == []
        assert truth is None
    if outcome.effect is Effect.NONE:
        assert truth in (None, "failed", "cancelled")
    if (expected := TRUE_STATES.get(outcome.state)) is not None:
        assert truth == expected
    if outcome.effect is Effect.TAKEN:
        assert truth == "succeeded"
    if outcome.state is StatementState.FAILED:
        assert outcome.message in (FAILURE, "the session sent no error message")
    if outcome.state is StatementState.SUCCEEDED:
        is_fetched = statement.wants_result and statement.store is None
        plan = script.session.executions["e1"].plan
        assert outcome.results == (plan.results if is_fetched else None)
        has_rows = plan.is_too_large and statement.store is None
        if not is_fetched and not outcome.is_location_lost and not has_rows:
            assert outcome.result_uri == plan.result_uri
    if outcome.state is StatementState.RUNNING:
        assert script.session.can_attach
        assert script.session.executions["e1"].owner is script.open


@given(SESSIONS, STATEMENTS, OPTIONS, JUMPS)
def test_an_outcome_is_the_truth_or_says_that_it_does_not_know(
    session: FakeSession, statement: Statement, options: StatementOptions, jumps: list[tuple[float, float]]
) -> None:
    script = SqlScript(session, jumps=jumps)
    outcome = script.run(execute, statement, options)
    check(script, outcome, statement)
    if outcome.state is StatementState.RUNNING:
        # The worker's connection is closed, and another process attaches within the grace.
        script._close()
        script.moment += 60.0
        executed = len(script.written(ExecuteSql))
        ended = script.run(attach, "e1", StatementOptions(url=URL), wants_result=statement.wants_result)
        assert len(script.written(ExecuteSql)) == executed == 1
        if (expected := TRUE_STATES.get(ended.state)) is not None:
            assert script.truth("e1") == expected


@given(FAULTLESS, STATEMENTS)
def test_on_a_faultless_connection_every_outcome_is_known(session: FakeSession, statement: Statement) -> None:
    script = SqlScript(session)
    outcome = script.run(execute, statement, StatementOptions(url=URL))
    check(script, outcome, statement)
    assert outcome.state.value == session.executions["e1"].final
    assert script.elapsed <= session.executions["e1"].plan.seconds + 241


P = ParamSpec("P")
T = TypeVar("T")


def dying(script: SqlScript, seconds: float, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Run a flow in a process that dies some seconds later."""
    try:
        return script.run_until_death(math.inf, seconds, flow, *args, **kwargs)
    finally:
        script._close()


@given(
    PLANS,
    st.none() | st.floats(0, 100),
    st.lists(st.tuples(st.floats(1, 100), st.floats(0, 60)), max_size=4),
    st.floats(1, 500),
)
def test_a_final_event_that_comes_in_time_is_believed_whoever_hears_it(
    plan: Plan, hand_over: float | None, lives: list[tuple[float, float]], forgotten_after: float
) -> None:
    """A worker hands over, triggers die and others attach within the grace, and then the session forgets it."""
    seconds = min(plan.seconds, 550.0)
    session = FakeSession([replace(plan, seconds=seconds, is_final_event_lost=False, forgotten_after=NEVER)])
    script, options = SqlScript(session), StatementOptions(url=URL)
    statement = Statement("e1", "INSERT", wants_result=False)
    outcome = script.run(execute, statement, replace(options, hand_over_after=hand_over))
    script._close()
    for lasts, gap in lives if outcome.state is StatementState.RUNNING else ():
        script.moment += gap
        seen = dying(script, lasts, attach, "e1", options, wants_result=False)
        if seen is not None:
            outcome = seen
            break
    if outcome.state is StatementState.RUNNING:
        running = session.executions["e1"]
        running.plan.forgotten_after = script.moment - running.began_at + forgotten_after
        outcome = script.run(attach, "e1", options, wants_result=False)
    truth = script.truth("e1")
    assert truth == session.executions["e1"].plan.final
    if truth == "cancelled":
        assert outcome.state in (StatementState.CANCELLED, StatementState.UNKNOWN)
    else:
        assert outcome.state.value == truth
    assert len(script.written(ExecuteSql)) == 1
    assert script.elapsed < LONGEST


@given(SESSIONS, st.lists(st.tuples(st.floats(0, 300), SECONDS), max_size=5), st.none() | st.floats(0, 100))
def test_whoever_dies_and_whoever_attaches_it_is_executed_once_and_told_as_it_was(
    session: FakeSession, lives: list[tuple[float, float]], hand_over: float | None
) -> None:
    script, options = SqlScript(session), StatementOptions(url=URL)
    flow = partial(execute, statement=Statement("e1", "INSERT"), options=replace(options, hand_over_after=hand_over))
    for lasts, gap in lives:
        outcome = dying(script, lasts, flow)
        if outcome is not None and (expected := TRUE_STATES.get(outcome.state)) is not None:
            assert script.truth("e1") == expected
        script.moment += gap
        flow = partial(attach, execution_id="e1", options=options)
    outcome = script.run(flow)
    if (expected := TRUE_STATES.get(outcome.state)) is not None:
        assert script.truth("e1") == expected
    assert len(script.written(ExecuteSql)) <= 1


@given(SESSIONS, st.floats(0, 300), st.booleans(), st.booleans(), st.sampled_from([3.8, 25.0]))
def test_a_cancel_ends_in_time_and_tells_what_really_became_of_the_statement(
    session: FakeSession, after: float, has_sent: bool, is_lost: bool, budget: float
) -> None:
    script = SqlScript(session)
    connection = script._opened()
    if connection.noticed_at > script.moment:
        session.transmit(connection, ExecuteSql("e1", "INSERT"), script.moment)
    if is_lost or not has_sent:
        script._close()
    script.moment += after
    began = script.moment
    last = script.run(last_word_after_cancel, "e1", budget, URL, has_sent=has_sent)
    assert script.moment - began <= budget + 2.5, "a message of this session takes two seconds"
    assert len(script.written(ExecuteSql)) <= 1
    if isinstance(last, StateUpdated | ExecutionResult):
        assert script.truth("e1") == last.state


IDS = st.sampled_from(["e1", "e1", "other", ""])
TEXTS = st.sampled_from(["Execution not found", "boom", "", "\x1b[2K\ud800"])
STATES = st.sampled_from(["pending", "running", "succeeded", "failed", "cancelled", "", "PAUSED", "\ud800"])
MESSAGES: st.SearchStrategy[ServerMessage] = st.one_of(
    st.builds(StateUpdated, IDS, STATES, st.sampled_from([None, "s3://b/r"]), st.none() | st.integers()),
    st.builds(ExecutionResult, IDS, STATES, st.sampled_from([None, Results(b"")]), st.none(), st.none(), st.booleans()),
    st.builds(ExecutionError, IDS, TEXTS),
    st.builds(ExecutionProgress, IDS, *[st.integers(0, 9)] * 3),
    st.builds(Unreadable, TEXTS),
    st.builds(TooLarge, st.just(1_000_000)),
)


@given(
    st.lists(st.tuples(st.floats(0, 300), MESSAGES), max_size=12),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 10.0]),
    st.booleans(),
)
def test_no_order_of_odd_messages_is_more_than_the_flow_can_take(
    messages: list[tuple[float, ServerMessage]],
    wants_result: bool,
    answers: bool,
    hand_over: float | None,
    breaks: bool,
) -> None:
    session = FakeSession([Plan(seconds=500.0)], answers=answers)
    script = SqlScript(session)
    assert script.open is not None
    if breaks:
        script.open.seconds = 100.0
    at = START
    for pause, message in messages:
        at += pause
        session.say(message, at, script.open)
    statement = Statement("e1", "SELECT", wants_result=wants_result)
    outcome = script.run(execute, statement, StatementOptions(url=URL, hand_over_after=hand_over))
    assert outcome.execution_id == "e1"
    assert [type(message) for message, _ in script.written(ExecuteSql)] == [ExecuteSql]
    assert len(script.written(RetrieveResults)) < 40
    assert script.written(CancelExecution) == []
    assert script.elapsed < LONGEST
    assert "\x1b" not in outcome.message
