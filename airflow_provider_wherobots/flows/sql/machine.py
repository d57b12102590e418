"""The state machine of an execution: its states, and when something is due in each.

Theory of operation
===================

Two machines move together. The **state** is what is known of the execution. The **contact** is the connection: whether
the session sends events to it, and what was asked on it. ``transitions`` moves both, event by event, and ``endings``
makes the outcomes. None of them waits, reads or writes: ``execution`` does that. Times are seconds of a steady clock
that starts with the flow.

The session may lose its final event, and may forget an execution that still runs. It cancels the executions of a lost
connection after a grace period, unless another connection attaches. Hence four rules:

* The statement is written once. It is written again only if certainly nothing of it was written.
* Silence is followed by a question. Its response may be a state, or an error message that says nothing about the end.
* What is not known is said to be unknown, and only when nobody can tell any more within the limits.
* A ``cancelled`` is known to have stopped the statement before its commit only on the connection that has sent it. On
  another one the session may have cancelled it as an orphan: unknown.

States and events. An event that a row does not name leaves the state as it is; what concerns other executions is not
heard at all. "The end" stands for ``succeeded`` (Fetching if a result is wanted that has not come, else Ended),
``failed`` (Failing) and ``cancelled`` (Ended).

===========  ======================================================  =============================================
State        Event                                                   Next
===========  ======================================================  =============================================
Sending      written, or lost while it was written                   Running
Running      the end                                                 Fetching, Failing or Ended
Running      silence                                                 Running: a question
Running      the time to hand over                                   HandingOver: a question that asks to attach
HandingOver  response ``attached``                                   Ended (RUNNING)
HandingOver  another response                                        Running, never to be handed over
Running *    response "not found"                                    Forgotten for 10 minutes if events come here,
                                                                     else Ended (UNKNOWN)
Running *    response with another error                             Forgotten, for 5 s if no events come here
Forgotten    the end                                                 as Running
Forgotten    a sign of life                                          Forgotten; Running if its state was only refused
Forgotten    due                                                     Ended (UNKNOWN)
Running **   an error that no question explains                      Accused
Accused      a sign of life                                          back
Accused      ``failed``, or due                                      Ended (FAILED)
Failing      an error message, due, or loss                          Ended (FAILED)
Fetching     the result                                              Ended (SUCCEEDED)
Fetching     an unreadable message, or due                           Fetching: a question, twice on a connection
Fetching     an error message, or no question is left                Ended (GAVE_UP)
any          a message that is too large, while a question is open   Ended: it has succeeded
any          loss; after four questions nothing was heard            the same, Forgotten: Running; another connection
                                                                     and a question that asks to attach
any          no other connection in time                             Ended: UNKNOWN; GAVE_UP if unsent or Fetching
any          the deadline                                            Ended: FAILED if Failing, else DEADLINE; what
                                                                     may run is cancelled first
===========  ======================================================  =============================================

(*) and HandingOver. (**) and Forgotten. ``Execution.due`` says when something is due in each state. The contact is
SENDER until the connection is replaced; then ASKING, and by each response ATTACHED or POLLING.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import ExecutionResult, StateUpdated
from airflow_provider_wherobots.flows.effects import Note
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome

ASK_AFTER = (30.0, 60.0, 120.0, 240.0)
"""Seconds of silence before the session is asked for the state, the first time and each further time."""
POLL_AFTER = (5.0, 10.0, 20.0, 30.0)
"""The same if the session does not send later events to a connection that has attached."""
FETCH_AGAIN_SECONDS = 120.0
"""How long a result may take before it is asked for once more: each request serializes it anew."""
ERROR_SECONDS = 5.0
"""How long the error message of a failed execution may take, and its state after an error message."""
FORGOTTEN_SECONDS = 600.0
"""How long to wait for the final event after the last sign of life, if the session reports no state."""


class Attachment(Enum):
    """Which connection this is to the execution."""

    SENDER = "it has sent the statement, or will: events come here"
    ASKING = "it has asked to attach, and has no response yet"
    ATTACHED = "the session has said that events come here"
    POLLING = "an older session: it responds, but sends no events here"


@dataclass(frozen=True, slots=True)
class Contact:
    """The connection, and what was requested on it. ``quiet_since``: when the execution was last heard of or queried.
    ``untold_since``: when its state was last reported or requested. ``silences``: silences followed by a request since
    the last event. ``without_response``: requests since any sign of the execution.
    """

    attachment: Attachment
    quiet_since: float
    untold_since: float
    silences: int = 0
    without_response: int = 0
    open_questions: int = 0

    @property
    def gets_events(self) -> bool:
        """Whether the execution's end is told here without a question."""
        return self.attachment in (Attachment.SENDER, Attachment.ATTACHED)

    @property
    def ask_due(self) -> float:
        """When the session is to be asked. Progress is no reason never to ask: the final event may be lost."""
        delays = POLL_AFTER if self.attachment is Attachment.POLLING else ASK_AFTER
        quiet = self.quiet_since + delays[min(self.silences, len(delays) - 1)]
        return min(quiet, self.untold_since + ASK_AFTER[-1])

    def heard(self, now: float) -> Contact:
        """Anything of the execution was heard."""
        return replace(self, quiet_since=now, without_response=0)

    def asked(self, now: float) -> Contact:
        """A question was written."""
        return replace(self, quiet_since=now, untold_since=now, open_questions=self.open_questions + 1)

    def responded(self) -> Contact:
        """A question has its response."""
        return replace(self, open_questions=max(0, self.open_questions - 1))

    def told(self, message: StateUpdated | ExecutionResult, now: float) -> Contact:
        """The execution's state was told, by an event or in response to a question."""
        told = replace(self, untold_since=now)
        if isinstance(message, StateUpdated):
            return replace(told, silences=0)
        if self.attachment is not Attachment.SENDER:
            told = replace(told, attachment=Attachment.ATTACHED if message.attached else Attachment.POLLING)
        return told.responded()


@dataclass(frozen=True, slots=True)
class Sending:
    """Nothing of the statement was written yet. ``hand_over_at`` None: no other process may follow it."""

    hand_over_at: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """It was sent, and no end of it is known. ``hand_over_at`` None: no other process may follow it."""

    hand_over_at: float | None = None


@dataclass(frozen=True, slots=True)
class HandingOver:
    """The session was asked whether another connection may attach."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The session has responded without a state: only an event can report the end. An event may come until ``patience``
    after ``since``, the execution's last sign of life. ``refusal`` is an error message that may be the statement's own
    failure; ``before`` the state to return to if it runs after all.
    """

    since: float
    why: str
    patience: float
    refusal: str
    before: Running


@dataclass(frozen=True, slots=True)
class Accused:
    """An error message has come that no request explains. The execution has failed if no state by ``until`` contradicts
    it; ``before`` is the state to return to.
    """

    words: str
    until: float
    before: Running | Forgotten


@dataclass(frozen=True, slots=True)
class Failing:
    """It has failed. Waiting for its error message, until ``until``; ``words`` is shown if none comes."""

    until: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Fetching:
    """It has succeeded, and its result was requested: ``fetches`` times on this connection, ``fetches_in_all`` times on
    any.
    """

    asked_at: float
    fetches: int = 0
    fetches_in_all: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """It is no longer followed."""

    outcome: StatementOutcome


State: TypeAlias = Sending | Running | HandingOver | Forgotten | Accused | Failing | Fetching | Ended


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as it is followed."""

    id: str
    wants_result: bool
    state: State
    contact: Contact = Contact(Attachment.SENDER, 0.0, 0.0)
    was_running: bool = False

    @property
    def attaches(self) -> bool:
        """Whether a question asks for the later events too."""
        return self.contact.attachment is not Attachment.SENDER or isinstance(self.state, HandingOver)

    @property
    def due(self) -> float | None:
        """When something is due even if nothing is heard."""
        match self.state:
            case Running(hand_over_at) if hand_over_at is not None:
                return min(hand_over_at, self.contact.ask_due)
            case Running() | HandingOver():
                return self.contact.ask_due
            case Accused(until=until) | Failing(until=until):
                return until
            case Forgotten():
                return self.state.since + self.state.patience
            case Fetching():
                return self.state.asked_at + FETCH_AGAIN_SECONDS
        return None


class Do(Enum):
    """What the flow does next."""

    LISTEN = "wait for a message, or for what is due"
    SEND = "write the statement"
    ASK = "ask for state and result"
    REPLACE = "open another connection"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an event."""

    execution: Execution
    do: Do = Do.LISTEN
    says: tuple[Note, ...] = ()
    loss: WherobotsApiError | None = None
