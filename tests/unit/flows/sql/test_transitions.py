"""The state machine of an execution by itself: one event, and what follows."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from airflow_provider_wherobots.api.errors import ConnectionLostError
from airflow_provider_wherobots.api.sql.messages import (
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    Results,
    ServerMessage,
    StateUpdated,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.flows.sql import transitions
from airflow_provider_wherobots.flows.sql.machine import (
    Attachment,
    Contact,
    Do,
    Ended,
    ErrorSeen,
    Execution,
    Failing,
    Fetching,
    Forgotten,
    HandingOver,
    Running,
    Sending,
    State,
    Step,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementState

NOW = 100.0
LOST = ConnectionLostError("sqlSession", "reset")
FORGOTTEN = Forgotten(90.0, "why", 600.0, "", Running())
REFUSED = Forgotten(90.0, "why", 600.0, "boom", Running(120.0))
UNREPORTED = "the session does not report its state (boom)"
UNKNOWN = "the session no longer knows it (Execution not found)"
ERROR_SEEN = ErrorSeen("words", 104.0, Running())
FETCHING = Fetching(90.0, 1, 1)
STATES: Sequence[State] = (Running(), HandingOver(), FORGOTTEN, REFUSED, ERROR_SEEN, Failing(104.0), FETCHING)

SENDER, ATTACHING, ATTACHED, POLLING = Attachment
EVENT = {state: StateUpdated("e1", state) for state in ("running", "succeeded", "failed", "cancelled")}
NOT_FOUND, ERROR = ExecutionError("e1", "Execution not found"), ExecutionError("e1", "boom")
PROGRESS = ExecutionProgress("e1", 8, 3, 4)


def execution(
    state: State, attachment: Attachment = SENDER, questions: int = 0, *, wants_result: bool = True
) -> Execution:
    return Execution("e1", wants_result, state, Contact(attachment, 90.0, 90.0, open_requests=questions))


def answer(state: str, *, attached: bool = False, results: Results | None = None) -> ExecutionResult:
    return ExecutionResult("e1", state, results, attached=attached)


def received(state: State, message: ServerMessage, attachment: Attachment = SENDER, questions: int = 0) -> Step:
    return transitions.received(execution(state, attachment, questions), message, NOW)


def verdict(step: Step) -> tuple[StatementState, str]:
    assert isinstance(step.execution.state, Ended)
    outcome = step.execution.state.outcome
    assert outcome.execution_id == "e1"
    return outcome.state, outcome.message


@pytest.mark.parametrize(
    ("state", "message", "questions", "expected"),
    [
        (Running(), EVENT["running"], 0, Running()),
        (Running(120.0), EVENT["failed"], 0, Failing(105.0)),
        (Running(), EVENT["succeeded"], 0, Fetching(NOW, 1, 1)),
        (Running(), answer("succeeded"), 0, Fetching(NOW, 1, 1)),
        (Running(), PROGRESS, 0, Running()),
        (Running(), ERROR, 0, ErrorSeen("boom", 105.0, Running())),
        (Running(), NOT_FOUND, 0, Running()),
        (HandingOver(), answer("running"), 1, Running()),
        (HandingOver(), EVENT["running"], 1, HandingOver()),
        (Running(120.0), ERROR, 1, Forgotten(NOW, UNREPORTED, 600.0, "boom", Running(120.0))),
        (HandingOver(), ERROR, 1, Forgotten(NOW, UNREPORTED, 600.0, "boom", Running())),
        (HandingOver(), NOT_FOUND, 1, Forgotten(NOW, UNKNOWN, 600.0, "", Running())),
        (FORGOTTEN, PROGRESS, 0, Forgotten(NOW, "why", 600.0, "", Running())),
        (FORGOTTEN, EVENT["running"], 0, Forgotten(NOW, "why", 600.0, "", Running())),
        (FORGOTTEN, NOT_FOUND, 1, Forgotten(NOW, "why", 600.0, "", Running())),
        (REFUSED, EVENT["running"], 0, Running(120.0)),
        (REFUSED, EVENT["failed"], 0, Failing(105.0, "boom")),
        (ERROR_SEEN, PROGRESS, 0, Running()),
        (ERROR_SEEN, EVENT["running"], 0, Running()),
        (ERROR_SEEN, ERROR, 0, ErrorSeen("words", 105.0, Running())),
        (ErrorSeen("words", 104.0, FORGOTTEN), PROGRESS, 0, Forgotten(NOW, "why", 600.0, "", Running())),
        (ErrorSeen("words", 104.0, FORGOTTEN), EVENT["running"], 0, Forgotten(NOW, "why", 600.0, "", Running())),
        (ErrorSeen("words", 104.0, REFUSED), EVENT["running"], 0, Running(120.0)),
        (Failing(104.0), EVENT["running"], 0, Failing(104.0)),
        (Failing(104.0), NOT_FOUND, 1, Failing(104.0)),
        (Failing(104.0, "boom"), NOT_FOUND, 0, Failing(104.0, "boom")),
        (Failing(104.0), TooLarge(1), 1, Failing(104.0)),
        (FETCHING, EVENT["succeeded"], 1, FETCHING),
        (FETCHING, EVENT["failed"], 1, FETCHING),
        (FETCHING, NOT_FOUND, 0, FETCHING),
        (FETCHING, Unreadable("bad"), 1, Fetching(90.0, 2, 2)),
        (Running(), Unreadable("bad"), 0, Running()),
        (Running(), TooLarge(1), 0, Running()),
    ],
)
def test_the_next_state(state: State, message: ServerMessage, questions: int, expected: State) -> None:
    assert received(state, message, questions=questions).execution.state == expected


@pytest.mark.parametrize(
    ("state", "message", "questions", "expected"),
    [
        (Running(), EVENT["cancelled"], 0, StatementState.CANCELLED),
        (HandingOver(), answer("running", attached=True), 1, StatementState.RUNNING),
        (ERROR_SEEN, EVENT["failed"], 0, StatementState.FAILED),
        (Failing(104.0), ERROR, 0, StatementState.FAILED),
        (Failing(104.0), NOT_FOUND, 0, StatementState.FAILED),
        (FETCHING, answer("succeeded"), 1, StatementState.SUCCEEDED),
        (FETCHING, NOT_FOUND, 1, StatementState.GAVE_UP),
        (FETCHING, ERROR, 0, StatementState.GAVE_UP),
        (FETCHING, TooLarge(1), 1, StatementState.GAVE_UP),
        (Running(), TooLarge(1), 1, StatementState.GAVE_UP),
        (Fetching(90.0, 2, 2), Unreadable("bad"), 1, StatementState.GAVE_UP),
    ],
)
def test_the_end(state: State, message: ServerMessage, questions: int, expected: StatementState) -> None:
    assert verdict(received(state, message, questions=questions))[0] is expected


@pytest.mark.parametrize("attachment", Attachment)
def test_not_found_is_the_end_only_where_no_event_can_come(attachment: Attachment) -> None:
    step = received(Running(), NOT_FOUND, attachment, 1)
    if attachment in (SENDER, ATTACHED):
        assert isinstance(step.execution.state, Forgotten)
        assert step.execution.due == NOW + 600.0
    else:
        assert verdict(step)[0] is StatementState.UNKNOWN


def test_one_without_a_result_is_awaited_as_long_as_a_session_lives() -> None:
    begun = execution(Running(), questions=1, wants_result=False)
    assert transitions.received(begun, NOT_FOUND, NOW).execution.due == NOW + 86_400


@pytest.mark.parametrize("attachment", Attachment)
def test_another_error_is_awaited_longer_where_an_event_can_come(attachment: Attachment) -> None:
    execution = received(Running(), ERROR, attachment, 1).execution
    assert execution.due == NOW + (600.0 if attachment in (SENDER, ATTACHED) else 5.0)


@pytest.mark.parametrize("attachment", Attachment)
def test_a_cancel_of_somebody_else_is_known_only_to_the_sender(attachment: Attachment) -> None:
    expected = StatementState.CANCELLED if attachment is SENDER else StatementState.UNKNOWN
    assert verdict(received(Running(), EVENT["cancelled"], attachment))[0] is expected


def test_each_of_two_questions_has_a_response_of_its_own() -> None:
    """The second error is no failure of the statement."""
    step = received(Running(), ERROR, questions=2)
    step = transitions.received(step.execution, ERROR, NOW + 1)
    assert isinstance(step.execution.state, Forgotten)


@pytest.mark.parametrize("response", [answer("running"), PROGRESS])
def test_an_error_is_the_response_only_while_a_response_is_due(response: ServerMessage) -> None:
    step = transitions.received(transitions.written(execution(Running()), NOW).execution, response, NOW + 1)
    step = transitions.received(step.execution, ERROR, NOW + 2)
    assert isinstance(step.execution.state, Forgotten if response is PROGRESS else ErrorSeen)


@pytest.mark.parametrize("sign", [EVENT["running"], PROGRESS])
def test_a_sign_of_life_begins_the_pauses_between_questions_anew(sign: ServerMessage) -> None:
    asked = transitions.due(execution(Running()), 120.0)
    waiting = transitions.written(asked.execution, 120.0).execution
    assert waiting.due == 120.0 + 60.0
    assert transitions.received(waiting, sign, 130.0).execution.due == 130.0 + 30.0


def test_progress_alone_does_not_keep_the_state_from_being_requested() -> None:
    reported = received(Running(), EVENT["running"]).execution
    assert reported.contact.unreported_since == NOW
    for moment in range(110, 400, 10):
        reported = transitions.received(reported, PROGRESS, moment).execution
    assert reported.due == NOW + 240.0


@pytest.mark.parametrize(("message", "is_forgotten"), [(NOT_FOUND, True), (ERROR, False)])
def test_a_result_that_the_session_no_longer_has_is_marked(message: ServerMessage, is_forgotten: bool) -> None:
    ended = received(FETCHING, message, questions=1).execution.state
    assert isinstance(ended, Ended)
    assert ended.outcome.is_result_forgotten is is_forgotten


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("message", [StateUpdated("e2", "succeeded"), ExecutionError("e2", "boom")])
def test_what_concerns_another_execution_changes_nothing(state: State, message: ServerMessage) -> None:
    assert received(state, message) == Step(execution(state))


@pytest.mark.parametrize("state", STATES)
def test_a_loss_is_followed_by_a_question_and_a_failure_needs_none(state: State) -> None:
    step = transitions.lost(execution(state), LOST, NOW)
    if isinstance(state, Failing):
        assert verdict(step) == (StatementState.FAILED, "the session sent no error message")
        assert verdict(transitions.lost(execution(Failing(104.0, "boom")), LOST, NOW))[1] == "boom"
        return
    assert (step.do, step.loss) == (Do.REPLACE, LOST)
    step = transitions.replaced(step.execution, "reset", NOW)
    assert step.do is Do.REQUEST
    assert step.execution.contact == Contact(ATTACHING, NOW, NOW)
    # What was forgotten runs: another connection may learn more.
    expected = {FORGOTTEN: Running(), REFUSED: Running(120.0), FETCHING: Fetching(90.0, 1, 2)}
    assert step.execution.state == expected.get(state, state)


@pytest.mark.parametrize(("was_written", "expected"), [(True, Running(120.0)), (False, Sending(120.0))])
def test_a_statement_of_which_some_may_have_arrived_is_not_sent_again(was_written: bool, expected: State) -> None:
    step = transitions.lost(execution(Sending(120.0)), LOST, NOW, was_written=was_written)
    assert step.execution.state == expected
    assert step.execution.contact == Contact(SENDER, *((NOW, NOW) if was_written else (90.0, 90.0)))
    again = transitions.replaced(step.execution, "reset", NOW)
    assert again.do is (Do.REQUEST if was_written else Do.SEND)
    outcome = transitions.given_up(step.execution, "reset").execution.state
    assert isinstance(outcome, Ended)
    assert outcome.outcome.was_sent is was_written


@pytest.mark.parametrize("state", STATES)
def test_at_the_deadline_what_may_run_wrote_nothing_first(state: State) -> None:
    step = transitions.stopped(execution(state))
    if isinstance(state, Failing | Fetching):
        assert step is not None
        assert isinstance(step.execution.state, Ended)
    else:
        assert step is None


def test_at_the_deadline_a_failure_keeps_its_message() -> None:
    step = transitions.stopped(execution(Failing(104.0, "boom")))
    assert step is not None
    assert verdict(step) == (StatementState.FAILED, "boom")


def test_a_hand_over_is_the_question_if_both_are_due() -> None:
    step = transitions.due(execution(Running(NOW)), NOW + 30.0)
    assert (step.do, step.execution.state, step.execution.attaches) == (Do.REQUEST, HandingOver(), True)


def test_a_write_whose_commit_is_unknown_has_not_certainly_failed() -> None:
    said = "org.apache.iceberg.exceptions.CommitStateUnknownException: the catalog did not respond"
    step = transitions.received(execution(Failing(104.0)), ExecutionError("e1", said), NOW)
    state, told = verdict(step)
    assert state is StatementState.UNKNOWN
    assert told == f"its commit failed, and may have taken effect all the same: {said}"
