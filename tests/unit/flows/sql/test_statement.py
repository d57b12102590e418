import itertools
import json
import logging
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import (
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)
from airflow_provider_wherobots.api.sql.messages import (
    CancelExecution,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    RetrieveResults,
    StateUpdated,
    Store,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.flows.retry import JITTER
from airflow_provider_wherobots.flows.sql.follower import FORGOTTEN_SECONDS, CancelAnswer
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionFailedError
from airflow_provider_wherobots.flows.sql.statement import (
    Connector,
    Statement,
    StatementOptions,
    attach,
    connect,
    execute,
    fetch,
    last_word_after_cancel,
    wrote_nothing,
)
from airflow_provider_wherobots.io.base import Note, Pause
from tests.unit.flows.script import START, always, by_operation
from tests.unit.flows.sql.fake_session import (
    FAILURE,
    GRACE,
    LIMIT,
    NEVER,
    RESULT,
    URL,
    Connection,
    FakeSession,
    Plan,
    SqlScript,
)

OPTIONS = StatementOptions(url=URL)
SELECT = Statement("e1", "SELECT 7 AS n")
DROP = Statement("e1", "DROP TABLE t", wants_result=False)
STORED = Statement("e1", "SELECT 7 AS n", Store("parquet"))


def run(script: SqlScript, statement: Statement = SELECT, **options: Any) -> StatementOutcome:
    return script.run(execute, statement, StatementOptions(url=URL, **options))


def sent_texts(script: SqlScript) -> list[str]:
    return [type(message).__name__ for message, _ in script.session.written]


# What usually happens


def test_a_select_is_sent_once_and_its_result_fetched_once() -> None:
    script = SqlScript(FakeSession([Plan(seconds=2.0123)]))
    outcome = run(script)
    assert (outcome.state, outcome.results, outcome.message) == (StatementState.SUCCEEDED, RESULT, "")
    assert outcome.started_at == START
    assert outcome.seconds == 2.032
    assert script.notes == [Note(logging.INFO, "Statement e1 is running")]
    assert script.open is not None, "the next statement needs another connection"
    assert [message for message, _ in script.session.arrived] == [
        ExecuteSql("e1", "SELECT 7 AS n"),
        RetrieveResults("e1", "ewkt"),
    ]


@pytest.mark.parametrize("uri", ["s3://bucket/result/", None])
def test_a_stored_result_has_an_address_or_none_and_is_not_fetched(uri: str | None) -> None:
    script = SqlScript(FakeSession([Plan(result_uri=uri)]))
    outcome = run(script, STORED)
    assert (outcome.state, outcome.result_uri, outcome.is_location_lost) == (StatementState.SUCCEEDED, uri, False)
    assert script.arrived(ExecuteSql) == [ExecuteSql("e1", "SELECT 7 AS n", Store("parquet"))]
    assert script.arrived(RetrieveResults) == []
    assert outcome.size is None
    script = SqlScript()
    script.session.say(StateUpdated("e1", "succeeded", uri, 12), START + 0.5, script.open)
    script.session._is_void = lambda message, moment: False  # type: ignore[method-assign]
    assert run(script, STORED).size == 12


def test_an_error_without_a_state_is_a_failure_after_five_seconds() -> None:
    script = SqlScript(FakeSession([Plan(seconds=NEVER)]))
    script.session.say(ExecutionError("e1", "[PARSE_SYNTAX_ERROR] near 'SELEC'"), START + 1)
    outcome = run(script)
    assert (outcome.state, outcome.message) == (StatementState.FAILED, "[PARSE_SYNTAX_ERROR] near 'SELEC'")
    assert 6.0 <= script.elapsed < 7.0


def test_the_words_of_the_engine_are_made_safe_and_cut() -> None:
    script = SqlScript(FakeSession([Plan(final="failed", error_after=NEVER)]))
    script.session.say(ExecutionError("e1", "\x1b[2K" + "x" * 5_000), START + 1.5)
    outcome = run(script)
    assert outcome.message.startswith("\\x1b[2Kxxx")
    assert len(outcome.message) == 2_000


def test_progress_is_logged_at_most_every_ten_seconds_and_only_if_it_changed() -> None:
    script = SqlScript(FakeSession([Plan(seconds=100.0, progress_every=1.0)]))
    for at in range(101, 200):
        script.session.say(ExecutionProgress("e1", 8, 3, 4), START + at)
    run(script)
    said = script.said("Spark tasks completed")
    assert 9 <= len(said) <= 11
    assert len({note.text for note in said}) == len(said)
    assert said[0] == type(said[0])(logging.INFO, "Statement e1: 1 of 5000 Spark tasks completed, 4 active")


def test_progress_without_tasks_is_not_logged() -> None:
    script = SqlScript()
    script.session.say(ExecutionProgress("e1", 0, 0, 0), START + 0.5)
    run(script)
    assert script.said("tasks") == []


def test_the_text_of_a_statement_is_nowhere_to_be_seen() -> None:
    statement = Statement("e1", "SELECT 'secret-literal'")
    script = SqlScript(FakeSession([Plan(final="failed")]))
    outcome = run(script, statement)
    assert "secret-literal" not in f"{statement}{outcome}{script.notes}{script.session.written}"


# Silence


def test_a_lost_final_event_is_found_by_a_question_after_thirty_seconds() -> None:
    script = SqlScript(FakeSession([Plan(seconds=10.0, is_final_event_lost=True)]))
    outcome = run(script)
    assert (outcome.state, outcome.results) == (StatementState.SUCCEEDED, RESULT)
    assert 30 <= script.elapsed < 31
    assert script.arrived(RetrieveResults) == [RetrieveResults("e1")]
    assert script.notes[1:] == [Note(logging.DEBUG, "Statement e1: requesting its state from the session")]
    outcome = run(SqlScript(FakeSession([Plan(seconds=10.0, is_final_event_lost=True)])), DROP)
    assert (outcome.state, outcome.results) == (StatementState.SUCCEEDED, None)


def test_the_questions_become_rarer() -> None:
    script = SqlScript(FakeSession([Plan(seconds=1_000.0)]))
    run(script, DROP)
    asked = [round(at) for _, at in script.written(RetrieveResults)]
    assert asked == [30, 90, 210, 450, 690, 930]
    script = SqlScript(FakeSession([Plan(seconds=200.0)]))
    script.session.say(ExecutionProgress("e1", 8, 3, 4), START + 20, is_planned=True)
    run(script, DROP)
    asked = [round(at) for _, at in script.written(RetrieveResults)]
    assert asked == [50, 110]


def test_a_session_that_answers_nothing_is_left_for_another_connection_and_then_the_outcome_is_unknown() -> None:
    script = SqlScript(FakeSession([Plan(seconds=NEVER)], answers=False))
    outcome = run(script)
    assert outcome.state is StatementState.UNKNOWN
    assert outcome.message == (
        "the connection to the session was lost, and could not be replaced: the session does not respond"
    )
    assert len(script.session.connects) == 2
    assert len(script.arrived(ExecuteSql)) == 1
    first = [30, 90, 210, 450]
    assert [round(at) for _, at in script.written(RetrieveResults)] == [*first, *(690 + at for at in (0, *first))]


def test_a_session_that_answers_nothing_to_one_that_attaches_is_asked_as_often() -> None:
    script = begun(FakeSession([Plan(seconds=NEVER)], answers=False))
    script.session.executions["e1"].owner = None
    assert script.run(attach, "e1", StatementOptions()).state is StatementState.UNKNOWN
    assert [round(at) for _, at in script.written(RetrieveResults)] == [0, 30, 90, 210, 450]


def test_a_result_that_does_not_come_is_asked_for_once_more_after_two_minutes() -> None:
    script = SqlScript(FakeSession(answers=False))
    outcome = run(script)
    assert outcome.state is StatementState.NO_RESULT
    assert outcome.message == "it succeeded, but its result could not be fetched: the session does not respond"
    assert [round(at) for _, at in script.written(RetrieveResults)] == [1, 121]
    assert 241 <= script.elapsed < 242
    script = SqlScript(FakeSession(answers=False))
    assert script.run(fetch, "e1", OPTIONS).state is StatementState.NO_RESULT
    assert [round(at) for _, at in script.written(RetrieveResults)] == [0, 120]


def test_an_unreadable_result_is_asked_for_once_more() -> None:
    script = SqlScript(FakeSession(answers=False))
    script.session.say(Unreadable("bad CBOR"), START + 2, script.open)
    script.session.say(Unreadable("bad CBOR"), START + 3, script.open)
    outcome = run(script)
    assert outcome.message == "it succeeded, but its result could not be fetched: it is unreadable"
    assert [round(at) for _, at in script.written(RetrieveResults)] == [1, 2]
    assert [note.level for note in script.said("cannot be read: bad CBOR")] == [logging.WARNING]


@pytest.mark.parametrize(
    ("state", "says"), [("paused\x1b", "paused\\x1b"), ("", "in a state that the session does not name")]
)
def test_a_state_that_is_not_known_is_told_once(state: str, says: str) -> None:
    script = SqlScript(FakeSession([Plan(seconds=50.0)]))
    for at in range(2, 32):
        script.session.say(ExecutionResult("e1", state), START + at)
    run(script)
    assert script.notes == [Note(logging.INFO, f"Statement e1 is {each}") for each in ("running", says)]


def test_a_result_that_is_too_large_is_asked_for_once_and_the_way_out_is_named() -> None:
    script = SqlScript(FakeSession([Plan(is_too_large=True)]))
    outcome = run(script)
    assert outcome.state is StatementState.RESULT_TOO_LARGE
    assert outcome.message == (
        "it succeeded, but its result is larger than 1 MiB, the most that is fetched. Select less, or store it in a "
        "file: WherobotsSqlOperator(store=...)"
    )
    assert len(script.written(RetrieveResults)) == 1
    assert len(script.session.connects) == 1


@pytest.mark.parametrize("wants_result", [True, False])
def test_who_attaches_late_learns_from_a_result_that_is_too_large_that_it_has_succeeded(wants_result: bool) -> None:
    script = begun(FakeSession([Plan(is_too_large=True)]))
    script.moment += 5.0
    script.session._events.clear()
    outcome = script.run(attach, "e1", OPTIONS, wants_result=wants_result)
    assert outcome.state is (StatementState.RESULT_TOO_LARGE if wants_result else StatementState.SUCCEEDED)
    assert len(script.written(RetrieveResults)) == 1


def test_a_result_too_large_that_was_not_asked_for_is_no_word_about_the_cancel() -> None:
    script = begun(FakeSession([Plan(seconds=99.0)], cancel_seconds=NEVER))
    script.session.say(TooLarge(LIMIT), script.moment + 0.5, script._opened())
    assert not script.run(last_word_after_cancel, "e1", 1.0)


def test_a_late_response_about_one_statement_cannot_reach_the_next() -> None:
    script = SqlScript(FakeSession([Plan(seconds=31.0), Plan(seconds=60.0, final="failed")], answers=False))
    first = script.open
    assert first is not None
    script.session.say(TooLarge(LIMIT), START + 65, first)
    assert run(script, DROP).state is StatementState.SUCCEEDED
    outcome = run(script, Statement("e2", "INSERT", wants_result=False))
    assert outcome.state is StatementState.FAILED
    assert first.is_closed


def test_an_error_instead_of_the_result_is_told() -> None:
    script = SqlScript(FakeSession(answers=False))
    script.session.say(ExecutionError("e1", "unknown geometry format"), START + 2)
    outcome = run(script)
    assert outcome.state is StatementState.NO_RESULT
    assert outcome.message == "it succeeded, but its result could not be fetched: unknown geometry format"


def test_an_error_in_answer_to_a_question_is_no_failure_of_the_statement() -> None:
    """It runs, or has even succeeded: a retry of a statement that is said to have failed would execute it twice."""
    script = SqlScript(FakeSession([Plan(seconds=50.0)], answers=False))
    script.session.say(ExecutionError("e1", "cannot encode the result"), START + 31)
    outcome = run(script, DROP)
    assert outcome.state is StatementState.SUCCEEDED
    assert script.notes[2:] == [
        Note(
            logging.WARNING,
            "Waiting up to 10 minutes for the end of Statement e1, because the session does not report its state "
            "(cannot encode the result). To stop waiting, look whether it has ended. Then mark the task as success, or "
            "clear it, which executes the statement again",
        )
    ]


@pytest.mark.parametrize("final", ["failed", "succeeded"])
def test_a_late_error_before_the_answer_to_a_take_over_is_not_the_answer(final: str) -> None:
    """Such as the second message of the answer to an earlier question."""
    script = SqlScript(FakeSession([Plan(seconds=0.5, final=final)]))
    script.session.transmit(script._opened(), ExecuteSql("e1", "SELECT"), script.moment)
    script.moment += 2.0
    # What was told until now is dropped.
    script.session.next_message(script._opened(), script.moment)
    script.session._events.clear()
    script.session.say(ExecutionError("e1", FAILURE), script.moment, script.open)
    outcome = script.run(attach, "e1", OPTIONS)
    assert outcome.state.value == final
    assert outcome.message == (FAILURE if final == "failed" else "")


# An execution that the session has forgotten


def test_a_forgotten_execution_without_an_event_is_unknown_after_a_bounded_time() -> None:
    script = SqlScript(FakeSession([Plan(seconds=60.0, forgotten_after=10.0, is_final_event_lost=True)]))
    outcome = run(script)
    assert outcome.state is StatementState.UNKNOWN
    assert outcome.message == (
        "the session no longer knows it (Execution not found), and 10 minutes have passed since its last message"
    )
    assert FORGOTTEN_SECONDS + 30 <= script.elapsed < FORGOTTEN_SECONDS + 60
    assert len(script.arrived(RetrieveResults)) == 1


@pytest.mark.parametrize("statement", [DROP, SELECT])
def test_a_worker_is_not_held_by_what_the_session_has_forgotten(statement: Statement) -> None:
    script = SqlScript(FakeSession([Plan(seconds=7_200.0, forgotten_after=10.0)]))
    assert run(script, statement).state is StatementState.UNKNOWN
    assert script.elapsed < 660


def test_a_trigger_waits_for_what_the_session_has_forgotten_as_long_as_it_may() -> None:
    for seconds, expected in ((600.0, StatementState.UNKNOWN), (86_400.0, StatementState.SUCCEEDED)):
        script = SqlScript(FakeSession([Plan(seconds=7_200.0, forgotten_after=50.0)]))
        assert run(script, DROP, hand_over_after=20.0).state is StatementState.RUNNING
        script._close()
        options = StatementOptions.from_kwargs(StatementOptions(url=URL, forgotten_seconds=seconds).to_kwargs())
        assert script.run(attach, "e1", options, wants_result=False).state is expected
        assert script.written(CancelExecution) == []
        assert "To stop waiting" in script.said("no longer knows it")[0].text


# A lost connection


def test_a_lost_connection_is_replaced_and_the_execution_taken_over() -> None:
    script = SqlScript(FakeSession([Plan(seconds=100.0)], [Connection(10.0)]))
    outcome = run(script)
    assert (outcome.state, outcome.results) == (StatementState.SUCCEEDED, RESULT)
    # At once, after 30 and 60 s of silence, and for the result.
    assert script.arrived(RetrieveResults) == [RetrieveResults("e1", attach=True)] * 3
    assert len(script.arrived(ExecuteSql)) == 1
    assert 100 <= script.elapsed < 101
    lost = "The connection to the SQL session failed: the connection was reset; connecting again for up to 10 minutes"
    assert script.notes[1] == Note(logging.WARNING, lost)
    assert (script.dialled, script.sleeps) == ([(URL, 20.0)], [])


def test_an_older_session_that_sends_no_events_after_a_take_over_is_polled() -> None:
    script = SqlScript(FakeSession([Plan(seconds=100.0, result_uri="s3://b/r")], [Connection(10.0)], can_attach=False))
    outcome = run(script, STORED)
    assert (outcome.state, outcome.result_uri, outcome.is_location_lost) == (StatementState.SUCCEEDED, None, True)
    assert [round(at) for _, at in script.written(RetrieveResults)] == [10, 15, 25, 45, 75, 105]


def test_a_statement_that_was_written_and_never_arrived_is_not_sent_again() -> None:
    script = SqlScript(FakeSession(connections=[Connection(0.0, noticed_after=30.0)]))
    outcome = run(script)
    assert outcome.state is StatementState.NOT_FOUND
    assert "Execution not found" in outcome.message
    assert [type(message).__name__ for message, _ in script.session.written] == ["ExecuteSql", "RetrieveResults"]


def test_a_statement_of_which_nothing_was_written_is_sent_on_another_connection() -> None:
    script = SqlScript(FakeSession(connections=[Connection(0.0)]))
    outcome = run(script)
    assert (outcome.state, outcome.results) == (StatementState.SUCCEEDED, RESULT)
    assert sent_texts(script) == ["ExecuteSql", "RetrieveResults"]
    assert script.arrived(RetrieveResults) == [RetrieveResults("e1")]


def test_a_statement_that_could_not_be_written_at_all_may_be_repeated() -> None:
    script = SqlScript(FakeSession(refusals=[NotSentError("connectSqlSession", "refused")] * 99), is_connected=False)
    outcome = run(script)
    assert outcome.state is StatementState.NOT_SENT
    assert outcome.message == "it was not sent: refused"
    assert 600 <= script.elapsed < 605
    assert script.session.written == []


def broken_after(seconds: float, **session: Any) -> SqlScript:
    return SqlScript(FakeSession([Plan(seconds=1_000.0)], [Connection(seconds)], **session))


@pytest.mark.parametrize(("options", "seconds"), [({}, 600), ({"max_outage_seconds": 90.0}, 90)])
def test_a_lost_connection_is_replaced_for_as_long_as_an_outage_may_last(options: dict[str, Any], seconds: int) -> None:
    script = broken_after(10.0, refusals=[None, *[NotSentError("connectSqlSession", "refused")] * 99])
    outcome = run(script, **options)
    assert outcome.state is StatementState.UNKNOWN
    assert outcome.message == ("the connection to the session was lost, and could not be replaced: refused")
    assert 10 + seconds <= script.elapsed < 10 + seconds + 5
    assert [round(pause, 2) for pause in script.sleeps][:6] == [1, 2, 4, 8, 10, 10]
    assert [seconds for _, seconds in script.dialled][:6] == [20] * 6


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_refused_connection_is_believed_after_a_minute(status: int) -> None:
    script = broken_after(10.0, refusals=[None, *[NotFoundError("connectSqlSession", status)] * 99])
    assert run(script).state is StatementState.UNKNOWN
    assert 70 <= script.elapsed < 75
    script = broken_after(10.0, refusals=[None, *[NotFoundError("connectSqlSession", status)] * 3])
    assert run(script).state is StatementState.SUCCEEDED


def test_an_execution_that_its_session_cancelled_as_an_orphan_is_unknown() -> None:
    refused = NotSentError("connectSqlSession", "refused")
    script = broken_after(10.0, refusals=[None, *[refused] * 4])
    assert script.open is not None
    script.open.noticed_after = GRACE
    outcome = run(script)
    assert outcome.state is StatementState.UNKNOWN
    assert outcome.message == (
        "it was cancelled after the connection to the session was lost. The session cancels the statements of a lost "
        "connection, and a part of this one may have taken effect before"
    )
    assert script.truth("e1") == "cancelled"


def test_a_connection_that_breaks_again_and_again_is_given_up() -> None:
    script = SqlScript(FakeSession([Plan(seconds=NEVER)], [Connection(10.0), *(Connection(0.0) for _ in range(999))]))
    outcome = run(script)
    assert outcome.state is StatementState.UNKNOWN
    assert script.elapsed < 615
    assert len(script.session.connects) < 80


def test_a_connection_that_breaks_now_and_then_is_replaced_each_time() -> None:
    script = SqlScript(FakeSession([Plan(seconds=2_000.0)], connections=[Connection(50.0) for _ in range(999)]))
    assert run(script).results == RESULT
    assert len(script.arrived(ExecuteSql)) == 1
    assert script.sleeps == []


def test_a_connection_that_breaks_after_each_answer_is_not_replaced_without_a_pause() -> None:
    session = FakeSession([Plan(seconds=1_000.0)], connections=[Connection(1.0) for _ in range(9_999)])
    script = SqlScript(session)
    assert run(script).results == RESULT
    assert len(session.connects) < 150
    assert len(script.arrived(ExecuteSql)) == 1


def test_a_result_that_breaks_every_connection_is_given_up() -> None:
    script = SqlScript(FakeSession(connections=[Connection(1.015), *(Connection(0.005) for _ in range(99))]))
    outcome = run(script)
    assert outcome.state is StatementState.NO_RESULT
    assert outcome.message == "it succeeded, but its result could not be fetched: the connection was reset"
    assert len(script.written(RetrieveResults)) == 4


# Deadlines and clocks


def test_at_the_deadline_a_statement_is_cancelled() -> None:
    script = SqlScript(FakeSession([Plan(seconds=NEVER)]))
    outcome = run(script, deadline=START + 100, limit_name="read_timeout")
    assert (outcome.state, outcome.message) == (StatementState.DEADLINE, "it was cancelled")
    assert 100 <= script.elapsed < 102
    assert script.truth("e1") == "cancelled"
    assert script.said("reached") == [Note(logging.WARNING, "The task's read_timeout was reached: ending statement e1")]


def test_a_statement_that_had_ended_at_the_deadline_is_told_as_it_ended() -> None:
    script = SqlScript(FakeSession([Plan(seconds=80.0, is_final_event_lost=True, result_uri="s3://b/r")]))
    outcome = run(script, STORED, deadline=START + 85)
    assert (outcome.state, outcome.result_uri) == (StatementState.SUCCEEDED, "s3://b/r")


def test_a_statement_whose_result_is_wanted_has_reached_its_deadline_all_the_same() -> None:
    script = SqlScript(FakeSession([Plan(seconds=80.0, is_final_event_lost=True)]))
    outcome = run(script, deadline=START + 85)
    assert (outcome.state, outcome.message) == (StatementState.DEADLINE, "it had already succeeded")
    assert outcome.effect is Effect.TAKEN


def test_a_deadline_while_the_result_is_awaited_cancels_nothing() -> None:
    script = SqlScript(FakeSession(answers=False))
    outcome = run(script, deadline=START + 50)
    assert outcome.state is StatementState.DEADLINE
    assert outcome.message == "it had succeeded, but its result was not fetched in time"
    assert outcome.effect is Effect.TAKEN
    assert script.arrived(CancelExecution) == []
    assert 50 <= script.elapsed < 51


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    script = SqlScript()
    outcome = run(script, deadline=START)
    assert (outcome.state, outcome.effect, outcome.message) == (StatementState.DEADLINE, Effect.NONE, "it was not sent")
    assert script.session.written == []


def test_a_deadline_while_the_connection_is_replaced_is_kept() -> None:
    refused = NotSentError("connectSqlSession", "refused")
    script = broken_after(10.0, refusals=[None, *[refused] * 99])
    outcome = run(script, deadline=START + 20)
    says = "it could not be cancelled, and may still run"
    assert (outcome.state, outcome.message) == (StatementState.DEADLINE, says)
    assert 20 <= script.elapsed < 20.2


def test_a_cancel_at_the_deadline_opens_a_connection_if_it_can() -> None:
    refused = NotSentError("connectSqlSession", "refused")
    script = broken_after(10.0, refusals=[None, *[refused] * 5])
    outcome = run(script, deadline=START + 20)
    assert (outcome.state, outcome.message) == (
        StatementState.DEADLINE,
        "it was cancelled, perhaps by the session after the connection was lost",
    )
    assert outcome.effect is Effect.UNKNOWN


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, -3.0, 3.0])
@pytest.mark.parametrize("at", [5.0, 35.0, 95.0])
def test_a_change_of_the_wall_clock_neither_hastens_nor_delays_what_is_found(jump: float, at: float) -> None:
    changed, steady = (
        SqlScript(FakeSession([Plan(seconds=100.0, is_final_event_lost=True)]), jumps=jumps)
        for jumps in ([(at, jump)], [])
    )
    assert run(changed) == run(steady)
    assert changed.elapsed == steady.elapsed


# Handing over


def test_a_long_statement_is_handed_over_once_the_session_says_that_it_can_be() -> None:
    script = SqlScript(FakeSession([Plan(seconds=300.0)]))
    outcome = run(script, hand_over_after=20.0)
    assert outcome.state is StatementState.RUNNING
    assert 20 <= script.elapsed < 21
    assert script.arrived(RetrieveResults) == [RetrieveResults("e1", attach=True)]
    # Another process, with a connection of its own.
    script._close()
    options = StatementOptions.from_kwargs(
        json.loads(json.dumps(StatementOptions(url=URL, started_at=outcome.started_at).to_kwargs()))
    )
    ended = script.run(attach, "e1", options, wants_result=False)
    assert (ended.state, ended.results) == (StatementState.SUCCEEDED, None)
    assert 300 <= ended.seconds < 302
    # And back on the worker.
    for again, geometry in itertools.product((fetch, attach), ("ewkt", "wkt")):
        script._close()
        fetched = script.run(again, "e1", options, geometry=geometry)
        assert (fetched.state, fetched.results) == (StatementState.SUCCEEDED, RESULT)
        assert script.arrived(RetrieveResults)[-1] == RetrieveResults("e1", geometry, attach=True)
    assert len(script.arrived(ExecuteSql)) == 1


def test_an_older_session_keeps_a_long_statement_on_its_connection() -> None:
    script = SqlScript(FakeSession([Plan(seconds=300.0, result_uri="s3://b/r")], can_attach=False))
    outcome = run(script, STORED, hand_over_after=20.0)
    assert (outcome.state, outcome.result_uri) == (StatementState.SUCCEEDED, "s3://b/r")
    told = "Statement e1: the session does not let the triggerer take over, so this worker follows it"
    assert script.said("take over") == [Note(logging.INFO, told)]
    assert 300 <= script.elapsed < 301
    script = SqlScript(FakeSession([Plan(seconds=40.0)], can_attach=False))
    assert run(script, hand_over_after=20.0).results == RESULT
    assert script.arrived(RetrieveResults) == [RetrieveResults("e1", attach=True), RetrieveResults("e1")]


def test_attaching_never_executes_and_what_is_not_there_is_unknown() -> None:
    script = SqlScript(is_connected=False)
    outcome = script.run(attach, "gone", OPTIONS)
    assert outcome.state is StatementState.NOT_FOUND
    assert sent_texts(script) == ["RetrieveResults"]
    assert [note for note in script.notes if note.level >= logging.WARNING] == []


def test_a_result_that_is_gone_when_it_is_fetched_is_no_unknown_outcome() -> None:
    script = SqlScript(is_connected=False)
    outcome = script.run(fetch, "gone", OPTIONS)
    assert outcome.state is StatementState.RESULT_FORGOTTEN
    assert outcome.message == "it succeeded, but its result could not be fetched: Execution not found"
    script = SqlScript(FakeSession(refusals=[NotFoundError("connectSqlSession", 404)] * 99), is_connected=False)
    says = "it succeeded, but its result could not be fetched: 404: no body"
    assert script.run(fetch, "e1", OPTIONS).message == says


# Cancelling


def begun(session: FakeSession) -> SqlScript:
    script = SqlScript(session)
    session.transmit(script._opened(), ExecuteSql("e1", "SELECT"), script.moment)
    return script


def test_a_cancel_is_confirmed_by_the_sessions_word() -> None:
    script = begun(FakeSession([Plan(seconds=99.0)]))
    assert script.run(last_word_after_cancel, "e1", 3.8)
    assert script.arrived(CancelExecution) == [CancelExecution("e1")]
    assert [(note.level, note.text) for note in script.notes] == [(logging.INFO, "Statement e1 was cancelled")]


@pytest.mark.parametrize(
    ("last", "expected", "without_contact"),
    [
        (None, False, False),
        (ExecutionError("e1", "Execution not found"), False, False),
        (StateUpdated("e1", "succeeded"), False, False),
        (StateUpdated("e1", "failed"), True, True),
        (StateUpdated("e1", "cancelled"), True, False),
    ],
)
def test_what_the_last_word_says_of_a_write(last: CancelAnswer | None, expected: bool, without_contact: bool) -> None:
    assert wrote_nothing(last, was_in_contact=True) is expected
    assert wrote_nothing(last, was_in_contact=False) is without_contact


def test_the_word_may_be_lost_so_the_session_is_asked() -> None:
    script = begun(FakeSession([Plan(seconds=99.0, is_final_event_lost=True)]))
    assert script.run(last_word_after_cancel, "e1", 3.8, has_sent=True)
    assert script.elapsed < 3
    script = begun(FakeSession([Plan(seconds=99.0, is_final_event_lost=True)]))
    script.session.say(ExecutionProgress("e1", 8, 3, 4), START + 1.0)
    assert script.run(last_word_after_cancel, "e1", 3.8, has_sent=True)
    assert [round(at, 2) for _, at in script.written(RetrieveResults)] == [1.5]


@pytest.mark.parametrize("plan", [Plan(seconds=0.0), Plan(forgotten_after=0.0, seconds=99.0)])
def test_what_has_ended_or_is_not_known_needs_no_cancelling(plan: Plan) -> None:
    script = begun(FakeSession([plan], cancel_seconds=NEVER))
    script.moment += 1.0
    assert script.run(last_word_after_cancel, "e1", 3.8)
    why = "it has already succeeded" if plan.seconds == 0.0 else "Execution not found"
    assert script.notes == [Note(logging.INFO, f"Statement e1 need not be cancelled: {why}")]


def test_a_cancel_that_is_ignored_ends_within_its_budget() -> None:
    script = begun(FakeSession([Plan(seconds=99.0, progress_every=0.1)], cancel_seconds=NEVER))
    assert not script.run(last_word_after_cancel, "e1", 3.8, has_sent=True)
    assert 3.8 <= script.elapsed < 4
    assert len(script.arrived(RetrieveResults)) == 2
    assert [note.level for note in script.notes] == [logging.WARNING]
    assert script.said("not confirmed")


def test_a_cancel_without_a_connection_opens_one_if_it_has_an_address() -> None:
    script = begun(FakeSession([Plan(seconds=99.0)]))
    script._close()
    assert not script.run(last_word_after_cancel, "e1", 3.8)
    assert script.notes == [
        Note(
            logging.ERROR,
            "Statement e1 could not be cancelled (no WebSocket is open). It may continue to run. "
            "The session cancels it by itself, usually two minutes after its connection was lost",
        )
    ]
    assert script.run(last_word_after_cancel, "e1", 3.8, url=URL)
    for budget in (0.1, 25.0):
        script._close()
        assert script.run(last_word_after_cancel, "e1", budget, URL)
    assert script.dialled == [(URL, 2.28), (URL, 0.5), (URL, 10.0)]


def test_a_cancel_is_written_though_no_time_is_left() -> None:
    script = begun(FakeSession([Plan(seconds=99.0)]))
    assert script.run(last_word_after_cancel, "e1", -1.0)


def test_a_clock_that_jumps_while_a_cancel_opens_a_connection_leaves_the_time_for_its_word() -> None:
    script = begun(FakeSession([Plan(seconds=999.0)], cancel_seconds=NEVER))
    script._close()
    script._jumps = [(0.02, 86_400.0)]
    assert not script.run(last_word_after_cancel, "e1", 35.0, url=URL)
    assert script.elapsed == pytest.approx(35.0, abs=0.1)


def test_a_cancel_never_raises_and_never_takes_longer_than_it_may() -> None:
    script = SqlScript(FakeSession(refusals=[NotFoundError("connectSqlSession", 404)] * 9), is_connected=False)
    assert not script.run(last_word_after_cancel, "e1", 3.8, url=URL)
    script = begun(FakeSession([Plan(seconds=99.0)], [Connection(1.0)], cancel_seconds=NEVER))
    assert not script.run(last_word_after_cancel, "e1", 3.8, url=URL)
    assert script.elapsed < 4


# Connecting

READY = SqlSession("s1", "READY", "https://compute.example.com/sql/org/session/ws")
SERVICE = by_operation(getSqlSession=always(READY))


def test_a_transient_failure_to_connect_is_tried_again() -> None:
    errors = [NotSentError("connectSqlSession", "refused"), ServerError("connectSqlSession", 503)]
    script = SqlScript(FakeSession(refusals=errors), is_connected=False)
    script.run(connect, READY)
    assert script.open is not None
    assert script.notes == [Note(logging.WARNING, f"{errors[0]}; connecting again for up to 1 minute")]
    script = SqlScript(FakeSession(refusals=[errors[0]] * 99), SERVICE, is_connected=False)
    with pytest.raises(NotSentError):
        script.run(connect, READY)
    assert [round(seconds, 2) for seconds in script.sleeps] == [1, 2, 4, 8, 10, 10, 10, 10, 4.6]
    seconds = [20, 20, 20, 20, 20, 20, 20, 14.7, 4.65, 1]
    assert script.dialled == [("wss://compute.example.com/sql/org/session/ws/1.0.0", each) for each in seconds]


@pytest.mark.parametrize(("budget", "sleeps"), [(1.5, [1, 0.25]), (150.0, [50, 50, 29.8])])
@pytest.mark.parametrize("jumps", [[], [(0.5, 86_400.0)]])
def test_pauses_and_clocks_may_be_wrong(budget: float, sleeps: list[float], jumps: list[tuple[float, float]]) -> None:
    limited = RateLimitedError("connectSqlSession", 429, retry_after=50.0 if budget > 50 else None)
    script = SqlScript(FakeSession(refusals=[limited] * 99), SERVICE, is_connected=False, jitter=1.0, jumps=jumps)
    with pytest.raises(RateLimitedError):
        script.run(connect, READY, budget)
    assert [round(seconds, 2) for seconds in script.sleeps] == sleeps


def test_neither_the_pause_nor_the_attempt_to_connect_outlasts_the_deadline() -> None:
    script = SqlScript(is_connected=False)
    connector = Connector(URL, 600.0)
    assert script.run(connector.attempt, None, 7.5) is None
    assert script.run(connector.attempt, NotSentError("connectSqlSession", "refused"), 4.0) is None
    assert script.pauses == [Pause(1.0, JITTER)]
    assert script.dialled == [(URL, 7.5), (URL, 3.0)]


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_session_that_refuses_connections_is_none_to_execute_in(status: int) -> None:
    """So the task fails with the exception of a session that failed: a retry asks for a session again."""
    refused = NotFoundError("connectSqlSession", status)
    script = SqlScript(FakeSession(refusals=[refused] * 99), SERVICE, is_connected=False)
    says = f"SQL session s1 is READY, but refuses connections: {status}"
    with pytest.raises(SessionFailedError, match=says):
        script.run(connect, READY, 600.0)
    assert 60 <= script.elapsed < 65
    script = SqlScript(FakeSession(refusals=[refused] * 3), is_connected=False)
    script.run(connect, READY)
    assert script.open is not None


def test_a_session_that_has_ended_is_connected_to_for_a_minute() -> None:
    refused = [NotSentError("connectSqlSession", "refused")] * 99
    ended = by_operation(getSqlSession=always(SqlSession("s1", "DESTROYED", READY.url)))
    script = SqlScript(FakeSession(refusals=refused), ended, is_connected=False)
    with pytest.raises(SessionEndedError, match="SQL session s1 is DESTROYED"):
        script.run(connect, READY, 600.0)
    assert 60 <= script.elapsed < 75


def test_a_key_that_may_not_connect_is_read_again_for_a_minute() -> None:
    refused = PermissionDeniedError("connectSqlSession", 403)
    SqlScript(FakeSession(refusals=[refused] * 4), is_connected=False).run(connect, READY)
    ready = by_operation(getSqlSession=always(READY))
    script = SqlScript(FakeSession(refusals=[refused] * 99), ready, is_connected=False)
    with pytest.raises(PermissionDeniedError):
        script.run(connect, READY)
    assert 60 <= script.elapsed < 62


# Events


def test_an_outcome_survives_its_event_without_the_result() -> None:
    outcome = StatementOutcome(
        StatementState.UNKNOWN, "e1", "why", RESULT, "s3://b/r", 12, 3.5, START, True, Effect.TAKEN
    )
    event = json.loads(json.dumps(outcome.to_event()))
    assert (event["state"], event["at_deadline"]) == ("unknown", "taken"), "other versions read it"
    assert set(event) <= {each.name for each in fields(StatementOutcome)}
    assert StatementOutcome.from_event({**event, "of_a_later_version": 1, "results": "odd"}) == StatementOutcome(
        StatementState.UNKNOWN, "e1", "why", None, "s3://b/r", 12, 3.5, START, True, Effect.TAKEN
    )


def test_an_event_of_another_version_is_read() -> None:
    assert StatementOutcome.from_event({"state": "failed", "execution_id": "e1"}).state is StatementState.FAILED
    assert StatementOutcome.from_event({"state": "paused", "execution_id": "e1"}).state is StatementState.UNKNOWN
    assert StatementOutcome.from_event({}) == StatementOutcome(StatementState.UNKNOWN, "")
    assert StatementOutcome.from_event({"at_deadline": "later"}).at_deadline is Effect.UNKNOWN
    assert StatementOptions.from_kwargs({"url": URL, "later": 1}) == OPTIONS


@pytest.mark.parametrize(
    ("sent", "state", "effect"),
    [
        ({"state": "gave_up", "was_sent": True}, StatementState.NO_RESULT, Effect.TAKEN),
        ({"state": "gave_up", "was_sent": False}, StatementState.NOT_SENT, Effect.NONE),
        ({"state": "deadline", "was_sent": False}, StatementState.DEADLINE, Effect.NONE),
        ({"state": "deadline", "was_sent": True, "wrote_nothing": True}, StatementState.DEADLINE, Effect.NONE),
        ({"state": "deadline", "was_sent": True, "wrote_nothing": False}, StatementState.DEADLINE, Effect.UNKNOWN),
    ],
)
def test_an_outcome_that_was_sent_with_other_values_is_read(
    sent: dict[str, Any], state: StatementState, effect: Effect
) -> None:
    outcome = StatementOutcome.from_event({"execution_id": "e1", **sent})
    assert (outcome.state, outcome.effect) == (state, effect)
