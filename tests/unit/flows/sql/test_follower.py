"""The follower by itself: what has happened, and what follows."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

from airflow_provider_wherobots.api.errors import ConnectionLostError
from airflow_provider_wherobots.api.sql.messages import (
    CancelExecution,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    RetrieveResults,
    ServerMessage,
    StateUpdated,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.flows.sql.follower import NEVER, Do, ExecutionState, Follower
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementState

RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    StateUpdated("e1", state) for state in ("running", "succeeded", "failed", "cancelled")
)
RUNS, ATTACHED = ExecutionResult("e1", "running"), ExecutionResult("e1", "running", attached=True)
RESULT = ExecutionResult("e1", "succeeded")
NOT_FOUND, ERROR, OTHER = (ExecutionError("e1", text) for text in ("Execution not found", "boom", "bang"))
PROGRESS = ExecutionProgress("e1", 8, 3, 4)
DUE, LOST = "what is due", ConnectionLostError("sqlSession", "reset")
Event: TypeAlias = ServerMessage | ConnectionLostError | str


def begun(state: ExecutionState = ExecutionState.SENDING, **more: Any) -> Follower:
    given = {
        "wants_result": True,
        "has_sent": state is ExecutionState.SENDING,
        "limit_name": "execution_timeout",
        **more,
    }
    follower = Follower("e1", state, 0.0, statement=ExecuteSql("e1", "SELECT 7"), **given)
    assert follower.next(0.0) is Do.WRITE
    follower.written()
    return follower


def told(follower: Follower, *events: Event) -> Follower:
    """Tell a follower what happens, each event a second after the one before."""
    for event in events:
        now = follower.due if event is DUE else follower.now + 1.0
        do = follower.next(now)
        if do is Do.WRITE:
            assert event is DUE
            follower.written()
        elif isinstance(event, ConnectionLostError):
            follower.lost(event)
            assert follower.outcome is not None or follower.next(now) is Do.CONNECT
        elif not isinstance(event, str):
            follower.received(event, now)
        if follower.outcome is None and follower.next(now) is Do.WRITE:
            follower.written()
    return follower


def outcome(follower: Follower) -> tuple[StatementState, str]:
    assert follower.outcome is not None
    return follower.outcome.state, follower.outcome.message


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([RUNNING], ExecutionState.RUNNING),
        ([PROGRESS], ExecutionState.RUNNING),
        ([Unreadable("bad")], ExecutionState.RUNNING),
        ([TooLarge(1)], ExecutionState.RUNNING),
        ([NOT_FOUND], ExecutionState.RUNNING),
        ([FAILED], ExecutionState.FAILING),
        ([FAILED, RUNNING], ExecutionState.FAILING),
        ([DUE, FAILED, NOT_FOUND], ExecutionState.FAILING),
        ([DUE, FAILED, TooLarge(1)], ExecutionState.FAILING),
        ([DUE, DUE, ERROR, FAILED, NOT_FOUND], ExecutionState.FAILING),
        ([SUCCEEDED], ExecutionState.FETCHING),
        ([RESULT], ExecutionState.FETCHING),
        ([SUCCEEDED, SUCCEEDED], ExecutionState.FETCHING),
        ([SUCCEEDED, FAILED], ExecutionState.FETCHING),
        ([SUCCEEDED, Unreadable("bad")], ExecutionState.FETCHING),
        ([ERROR], ExecutionState.ERROR_SEEN),
        ([ERROR, ERROR], ExecutionState.ERROR_SEEN),
        ([ERROR, PROGRESS], ExecutionState.RUNNING),
        ([ERROR, RUNNING], ExecutionState.RUNNING),
        ([DUE, RUNS, ERROR], ExecutionState.ERROR_SEEN),
        ([DUE, ERROR], ExecutionState.FORGOTTEN),
        ([DUE, PROGRESS, ERROR], ExecutionState.FORGOTTEN),
        ([DUE, NOT_FOUND], ExecutionState.FORGOTTEN),
        ([DUE, DUE, ERROR, ERROR], ExecutionState.FORGOTTEN),
        ([DUE, NOT_FOUND, NOT_FOUND], ExecutionState.FORGOTTEN),
        ([DUE, NOT_FOUND, PROGRESS], ExecutionState.RUNNING),
        ([DUE, ERROR, RUNNING], ExecutionState.RUNNING),
        ([DUE, ERROR, OTHER], ExecutionState.ERROR_SEEN),
        ([DUE, ERROR, FAILED], ExecutionState.FAILING),
    ],
)
def test_the_next_state(events: Sequence[Event], expected: ExecutionState) -> None:
    follower = told(begun(), *events)
    assert follower.state is expected
    # What concerns another execution changes nothing.
    due = follower.due
    told(follower, StateUpdated("e2", "succeeded"), ExecutionError("e2", "boom"))
    assert (follower.state, follower.due) == (expected, due)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([DUE], ExecutionState.HANDING_OVER),
        ([DUE, RUNNING], ExecutionState.HANDING_OVER),
        ([DUE, RUNS], ExecutionState.RUNNING),
        ([DUE, ERROR], ExecutionState.FORGOTTEN),
        ([DUE, NOT_FOUND], ExecutionState.FORGOTTEN),
        ([DUE, ATTACHED], ExecutionState.ENDED),
    ],
)
def test_a_hand_over_is_tried_once(events: Sequence[Event], expected: ExecutionState) -> None:
    follower = told(begun(hand_over_at=30.0), *events)
    assert (follower.now >= 30, follower.state) == (True, expected)
    assert outcome(follower)[0] is StatementState.RUNNING if expected is ExecutionState.ENDED else follower.due >= 60
    if expected is ExecutionState.FORGOTTEN:
        assert told(follower, PROGRESS).state is ExecutionState.RUNNING


COMMIT = "org.apache.iceberg.exceptions.CommitStateUnknownException: the catalog did not respond"
COMMIT_FAILED = f"its commit failed, and may have taken effect all the same: {COMMIT}"
UNSAID = "the session sent no error message"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([CANCELLED], (StatementState.CANCELLED, "it was cancelled")),
        ([ERROR, FAILED], (StatementState.FAILED, "boom")),
        ([ERROR, OTHER, DUE], (StatementState.FAILED, "boom")),
        ([FAILED, ERROR], (StatementState.FAILED, "boom")),
        ([FAILED, ExecutionError("e1", COMMIT)], (StatementState.UNKNOWN, COMMIT_FAILED)),
        ([ExecutionError("e1", COMMIT), FAILED], (StatementState.UNKNOWN, COMMIT_FAILED)),
        ([FAILED, NOT_FOUND], (StatementState.FAILED, NOT_FOUND.message)),
        ([FAILED, DUE], (StatementState.FAILED, UNSAID)),
        ([FAILED, LOST], (StatementState.FAILED, UNSAID)),
        ([DUE, ERROR, FAILED, LOST], (StatementState.FAILED, "boom")),
        ([DUE, NOT_FOUND, FAILED, DUE], (StatementState.FAILED, UNSAID)),
        ([SUCCEEDED, RESULT], (StatementState.SUCCEEDED, "")),
        ([DUE, RESULT], (StatementState.SUCCEEDED, "")),
        ([DUE, DUE, NOT_FOUND, RESULT], (StatementState.SUCCEEDED, "")),
    ],
)
def test_the_end(events: Sequence[Event], expected: tuple[StatementState, str]) -> None:
    assert outcome(told(begun(), *events)) == expected


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (NOT_FOUND, StatementState.RESULT_FORGOTTEN),
        (ERROR, StatementState.NO_RESULT),
        (TooLarge(1), StatementState.RESULT_TOO_LARGE),
    ],
)
def test_a_result_that_cannot_be_fetched(message: ServerMessage, state: StatementState) -> None:
    ended = told(begun(), SUCCEEDED, message).outcome
    assert ended is not None
    assert (ended.state, ended.effect) == (state, Effect.TAKEN)


@pytest.mark.parametrize("answer", [None, RUNS, ATTACHED])
def test_not_found_is_the_end_only_where_no_event_can_come(answer: ExecutionResult | None) -> None:
    events: list[Event] = [answer, DUE] if answer else []
    follower = told(begun(ExecutionState.RUNNING, forgotten_seconds=900.0), *events, NOT_FOUND)
    if answer is ATTACHED:
        assert (follower.state, follower.due) == (ExecutionState.FORGOTTEN, follower.now + 900.0)
    else:
        assert outcome(follower)[0] is StatementState.NOT_FOUND


@pytest.mark.parametrize(("answer", "seconds"), [(None, 5.0), (RUNS, 5.0), (ATTACHED, 600.0)])
def test_another_error_waits_for_an_event(answer: ExecutionResult | None, seconds: float) -> None:
    events: list[Event] = [answer, DUE] if answer else []
    follower = told(begun(ExecutionState.RUNNING), *events, ERROR)
    assert follower.due == follower.now + seconds
    assert outcome(told(follower, DUE))[0] is StatementState.UNKNOWN


@pytest.mark.parametrize("events", [[CANCELLED], [RUNS, CANCELLED], [ATTACHED, CANCELLED]])
def test_a_cancel_of_somebody_else_is_known_only_to_the_sender(events: Sequence[Event]) -> None:
    assert outcome(told(begun(ExecutionState.RUNNING), *events))[0] is StatementState.UNKNOWN


@pytest.mark.parametrize("sign", [RUNNING, PROGRESS])
def test_a_sign_of_life_begins_the_pauses_between_questions_anew(sign: ServerMessage) -> None:
    follower = told(begun(), DUE)
    assert follower.due == 30.0 + 60.0
    assert told(follower, sign).due == 31.0 + 30.0


def test_progress_alone_does_not_keep_the_state_from_being_requested() -> None:
    assert told(begun(), RUNNING, *[PROGRESS] * 220).due == 1.0 + 240.0


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ExecutionState.RUNNING),
        ([DUE, NOT_FOUND], ExecutionState.RUNNING),
        ([ERROR], ExecutionState.ERROR_SEEN),
        ([SUCCEEDED], ExecutionState.FETCHING),
        ([DUE, RUNNING], ExecutionState.RUNNING),
    ],
)
def test_after_a_loss_the_next_connection_attaches(events: Sequence[Event], expected: ExecutionState) -> None:
    follower = told(begun(), *events)
    for _ in range(2):
        follower.lost(LOST)
        assert follower.next(follower.now) is Do.CONNECT
    follower.replaced()
    assert (follower.state, follower.next(follower.now)) == (expected, Do.WRITE)
    assert follower.messages == (RetrieveResults("e1", attach=True),)
    assert follower.open_requests == 0


@pytest.mark.parametrize(("attached", "is_lost"), [(True, False), (False, True)])
def test_only_a_response_to_one_that_is_attached_shows_that_no_rows_were_stored(attached: bool, is_lost: bool) -> None:
    response = ExecutionResult("e1", "succeeded", attached=attached)
    ended = told(begun(ExecutionState.RUNNING, wants_result=False), response).outcome
    assert ended is not None
    assert ended.is_location_lost is is_lost


@pytest.mark.parametrize(
    ("events", "messages", "was_in_contact"),
    [
        ([], [CancelExecution], True),
        ([DUE, NOT_FOUND], [CancelExecution], True),
        ([LOST], [RetrieveResults, CancelExecution], False),
    ],
)
def test_at_the_deadline_it_is_cancelled(events: Sequence[Event], messages: list[type], was_in_contact: bool) -> None:
    follower = told(begun(deadline=50.0), *events)
    assert follower.next(50.0) is Do.WRITE
    if LOST in events:
        follower.lost(LOST, was_written=False)
        follower.replaced()
        assert follower.next(50.0) is Do.WRITE
    assert [type(each) for each in follower.messages] == messages
    follower.written()
    # Both are repeated, but a request only after the response to the one before.
    assert follower.next(51.5) is Do.WRITE
    assert [type(each) for each in follower.messages] == [RetrieveResults, CancelExecution][follower.open_requests :]
    follower.received(CANCELLED, 52.0)
    assert follower.outcome is not None
    assert (follower.outcome.state, follower.last) == (StatementState.DEADLINE, CANCELLED)
    assert follower.outcome.effect is (Effect.NONE if was_in_contact else Effect.UNKNOWN)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([ERROR, FAILED], StatementState.FAILED),
        ([FAILED], StatementState.FAILED),
        ([SUCCEEDED], StatementState.DEADLINE),
    ],
)
def test_at_the_deadline_what_has_ended_is_not_cancelled(events: Sequence[Event], expected: StatementState) -> None:
    follower = told(begun(deadline=4.0), *events)
    follower.next(4.0)
    assert outcome(follower)[0] is expected


UNCANCELLED = "it could not be cancelled, and may still run"


@pytest.mark.parametrize(
    ("events", "expected", "told"),
    [
        (["written", NOT_FOUND], "the session does not know it", "need not be cancelled: Execution not found"),
        (["written", FAILED], "it had already failed", "need not be cancelled: it has already failed"),
        ([LOST, "replaced"] * 3 + [LOST], UNCANCELLED, "could not be cancelled (reset)"),
        ([LOST, "the deadline"], UNCANCELLED, "could not be cancelled (no time was left)"),
        (["written", LOST, "the deadline"], "its cancel was sent, but not confirmed", "may still run: its cancel"),
    ],
)
def test_what_is_said_of_a_cancel_at_the_deadline(events: Sequence[Event], expected: str, told: str) -> None:
    follower = begun(deadline=50.0)
    follower.next(50.0)
    for event in events:
        match event:
            case "written":
                follower.written()
            case "replaced":
                follower.replaced()
            case "the deadline":
                follower.next(999.0)
            case ConnectionLostError():
                follower.lost(event, was_written=False)
            case _:
                follower.received(event, 51.0)  # type: ignore[arg-type]
    assert outcome(follower) == (StatementState.DEADLINE, expected)
    assert told in follower.notes[-1].text


def test_a_hand_over_is_the_question_if_both_are_due() -> None:
    follower = begun(hand_over_at=20.0)
    assert follower.next(100.0) is Do.WRITE
    assert follower.messages == (RetrieveResults("e1", attach=True),)
    assert (follower.state, follower.deadline) == (ExecutionState.HANDING_OVER, NEVER)
