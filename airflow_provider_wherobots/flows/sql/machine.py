"""The state machine of an execution: its states, and when something is due in each.

Theory of operation
===================

Two machines move together. The **state** is what is known of the execution. The **contact** is the connection: whether
the session sends events to it, and which requests on it have no response yet. ``transitions`` moves both, event by
event, and makes the outcome. Neither waits, reads or writes: ``statement`` does that. Times are seconds of a
monotonic clock that starts with the flow.

The session may lose its final event, and may forget an execution that still runs. It cancels the executions of a lost
connection after a grace period, unless another connection attaches. Hence four rules:

* The statement is written once. It is written again only if certainly nothing of it was written.
* After silence the state is requested. The response is a state, or an error message that does not show how it ends.
* An outcome is ``UNKNOWN`` only if the session can no longer report it within the limits.
* A ``cancelled`` is known to have stopped the statement before its commit only on the connection that has sent it. On
  another one the session may have cancelled it as an orphan: unknown.

States and events. An event that a row does not name leaves the state as it is; messages about other executions are
ignored. "The end" stands for ``succeeded`` (Fetching if a result is wanted that has not come, else Ended),
``failed`` (Failing) and ``cancelled`` (Ended).

===========  ======================================================  =============================================
State        Event                                                   Next
===========  ======================================================  =============================================
Sending      written, or lost while it was written                   Running
Running      the end                                                 Fetching, Failing or Ended
Running      silence                                                 Running: a request
Running      the time to hand over                                   HandingOver: a request to attach
HandingOver  response ``attached``                                   Ended (RUNNING)
HandingOver  another response                                        Running, never to be handed over
Running *    response "not found"                                    Forgotten for 10 minutes, or 24 hours without a
                                                                     result, if events come here, else Ended (UNKNOWN)
Running *    response with another error                             Forgotten, for 5 s if no events come here
Forgotten    the end                                                 as Running
Forgotten    a sign of life                                          Forgotten; Running if its state was only refused
Forgotten    due                                                     Ended (UNKNOWN)
Running **   an error that no request explains                       ErrorSeen
ErrorSeen    a sign of life                                          back
ErrorSeen    ``failed``, or due                                      Ended (FAILED)
Failing      an error message, due, or loss                          Ended (FAILED)
Fetching     the result                                              Ended (SUCCEEDED)
Fetching     an unreadable message, or due                           Fetching: a request, twice on a connection
Fetching     an error message, or no request is left                 Ended (GAVE_UP)
any          a message that is too large, while a request is open    Ended: it has succeeded
any          loss; four requests without a sign of life              the same, Forgotten: Running; another connection
                                                                     and a request to attach
any          no other connection in time                             Ended: UNKNOWN; GAVE_UP if unsent or Fetching
any          the deadline                                            Ended: FAILED if Failing, else DEADLINE; what
                                                                     may run is cancelled first
===========  ======================================================  =============================================

(*) and HandingOver. (**) and Forgotten. ``Execution.due`` is when something is due in each state. The contact is
SENDER until the connection is replaced; then ATTACHING, and by each response ATTACHED or POLLING.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import ExecutionResult, StateUpdated
from airflow_provider_wherobots.flows.effects import Note
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome
from airflow_provider_wherobots.messages import words

REQUEST_AFTER = (30.0, 60.0, 120.0, 240.0)
"""Seconds of silence before the state is requested, the first time and each further time."""
POLL_AFTER = (5.0, 10.0, 20.0, 30.0)
"""The same if the session does not send later events to a connection that has attached."""
FETCH_AGAIN_SECONDS = 120.0
"""How long a result may take before it is requested again: each request serializes it again."""
ERROR_SECONDS = 5.0
"""How long the error message of a failed execution may take, and its state after an error message."""
FORGOTTEN_SECONDS = 600.0
"""How long to wait for the final event after the last sign of life, if the session reports no state. What the session
does not know has no result to fetch.
"""
FORGOTTEN_WRITE_SECONDS = 86_400.0
"""The same for a statement without a result: as long as a session lives by default. Its event comes when it ends, and
giving it up would cancel it.
"""


class Attachment(Enum):
    """Which connection this is to the execution."""

    SENDER = "it has sent the statement, or will: events come here"
    ATTACHING = "it has requested to attach, and has no response yet"
    ATTACHED = "the session has confirmed that events come here"
    POLLING = "an older session: it responds, but sends no events here"


@dataclass(frozen=True, slots=True)
class Contact:
    """The connection, and its requests. ``quiet_since``: when the execution last showed a sign of life or was queried.
    ``unreported_since``: when its state was last reported or requested. ``silences``: silences followed by a request
    since the last event. ``without_response``: requests since any sign of the execution.
    """

    attachment: Attachment
    quiet_since: float
    unreported_since: float
    silences: int = 0
    without_response: int = 0
    open_requests: int = 0

    @property
    def gets_events(self) -> bool:
        """Whether the execution's end is reported here without a request."""
        return self.attachment in (Attachment.SENDER, Attachment.ATTACHED)

    @property
    def request_due(self) -> float:
        """When the state is requested. Also while progress comes: the final event may be lost."""
        delays = POLL_AFTER if self.attachment is Attachment.POLLING else REQUEST_AFTER
        quiet = self.quiet_since + delays[min(self.silences, len(delays) - 1)]
        return min(quiet, self.unreported_since + REQUEST_AFTER[-1])

    def alive(self, now: float) -> Contact:
        """A message about the execution has come."""
        return replace(self, quiet_since=now, without_response=0)

    def requested(self, now: float) -> Contact:
        return replace(self, quiet_since=now, unreported_since=now, open_requests=self.open_requests + 1)

    def responded(self) -> Contact:
        return replace(self, open_requests=max(0, self.open_requests - 1))

    def reported(self, message: StateUpdated | ExecutionResult, now: float) -> Contact:
        """The execution's state was reported, by an event or in response to a request."""
        contact = replace(self, unreported_since=now)
        if isinstance(message, StateUpdated):
            return replace(contact, silences=0)
        if self.attachment is not Attachment.SENDER:
            contact = replace(contact, attachment=Attachment.ATTACHED if message.attached else Attachment.POLLING)
        return contact.responded()


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
    """It was requested that another connection can attach."""


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
class ErrorSeen:
    """An error message has come that no request explains. The execution has failed if no state by ``until`` contradicts
    it; ``before`` is the state to return to.
    """

    text: str
    until: float
    before: Running | Forgotten


@dataclass(frozen=True, slots=True)
class Failing:
    """It has failed. Waiting for its error message, until ``until``; ``text`` is shown if none comes."""

    until: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fetching:
    """It has succeeded, and its result was requested: ``fetches`` times on this connection, ``fetches_in_all`` times on
    any.
    """

    requested_at: float
    fetches: int = 0
    fetches_in_all: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """It is no longer followed."""

    outcome: StatementOutcome


State: TypeAlias = Sending | Running | HandingOver | Forgotten | ErrorSeen | Failing | Fetching | Ended


@dataclass(frozen=True, slots=True)
class Execution:
    id: str
    wants_result: bool
    state: State
    contact: Contact = Contact(Attachment.SENDER, 0.0, 0.0)

    @property
    def name(self) -> str:
        return f"Statement {words.short(self.id)}"

    @property
    def attaches(self) -> bool:
        """Whether a request is for the later events too."""
        return self.contact.attachment is not Attachment.SENDER or isinstance(self.state, HandingOver)

    @property
    def due(self) -> float | None:
        """When something is due even if no message comes."""
        match self.state:
            case Running(hand_over_at) if hand_over_at is not None:
                return min(hand_over_at, self.contact.request_due)
            case Running() | HandingOver():
                return self.contact.request_due
            case ErrorSeen(until=until) | Failing(until=until):
                return until
            case Forgotten():
                return self.state.since + self.state.patience
            case Fetching():
                return self.state.requested_at + FETCH_AGAIN_SECONDS
        return None

    def moved(self, state: State) -> Execution:
        return replace(self, state=state)


class Do(Enum):
    """What the flow does next."""

    LISTEN = "wait for a message, or for what is due"
    SEND = "write the statement"
    REQUEST = "request state and result"
    REPLACE = "open another connection"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an event."""

    execution: Execution
    do: Do = Do.LISTEN
    notes: tuple[Note, ...] = ()
    loss: WherobotsApiError | None = None
