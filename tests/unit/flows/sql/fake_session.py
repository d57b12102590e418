"""A SQL session in memory, on the caller's clock, with the faults that a real one has; and an ``Io`` with it.

It loses connections, final events and executions, and cancels the executions of lost connections after a grace period.
What really became of each statement is known, so a test can hold an outcome against it.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import (
    CANCELLED,
    FAILED,
    SUCCEEDED,
    CancelExecution,
    ClientMessage,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    Results,
    RetrieveResults,
    ServerMessage,
    StateUpdated,
    TooLarge,
)
from airflow_provider_wherobots.io.base import not_open
from tests.unit.flows.script import LATENCY, START, Answer, Script, by_operation

URL = "wss://compute.example.com/sql/org/session/ws/1.0.0"
NEVER = float("inf")
GRACE = 120.0
"""Seconds after which the executions of a lost connection are cancelled."""
RESULT = Results(b"rows")
FAILURE = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `gone` cannot be found"
NOT_FOUND = "Execution not found"
LIMIT = 1024 * 1024
"""The largest message that the client takes, in bytes."""


@dataclass
class Plan:
    """What becomes of a statement.

    :param seconds: how long it runs.
    :param progress_every: seconds between messages about progress; 0 for none.
    :param is_final_event_lost: whether its final event never comes.
    :param forgotten_after: seconds after which the session no longer answers questions about it.
    :param error_after: seconds between the state ``failed`` and its message.
    :param copies: how often each of its events comes.
    :param is_too_large: whether its result is larger than the client takes, so that the connection is closed after it.
    """

    seconds: float = 1.0
    final: str = SUCCEEDED
    results: Results | None = RESULT
    result_uri: str | None = None
    progress_every: float = 0.0
    is_final_event_lost: bool = False
    forgotten_after: float = NEVER
    error_after: float = 0.01
    copies: int = 1
    is_too_large: bool = False


@dataclass
class Connection:
    """What becomes of a connection.

    :param seconds: how long after its opening it breaks.
    :param noticed_after: seconds until the client notices; what it writes meanwhile does not arrive.
    :param delay: seconds that each message takes.
    """

    seconds: float = NEVER
    noticed_after: float = 0.0
    delay: float = 0.01
    opened_at: float = 0.0
    is_closed: bool = False

    @property
    def breaks_at(self) -> float:
        return self.opened_at + self.seconds

    @property
    def noticed_at(self) -> float:
        return self.breaks_at + self.noticed_after


@dataclass
class Running:
    """A statement as the session has it."""

    plan: Plan
    began_at: float
    ends_at: float
    final: str
    owner: Connection | None
    has_store: bool

    def state(self, moment: float) -> str:
        return self.final if moment >= self.ends_at else "running"


@dataclass
class FakeSession:
    """A SQL session.

    :param plans: what becomes of statements, in the order in which they arrive; the last one is that of all others.
    :param connections: what becomes of connections, in their order; all others are faultless.
    :param refusals: what happens to an attempt to open a connection, in their order: None opens it.
    :param can_attach: whether a connection can take an execution over.
    :param cancel_seconds: how long a cancel takes; infinite for one that is ignored.
    :param answers: whether it answers questions.
    """

    plans: Sequence[Plan] = (Plan(),)
    connections: Sequence[Connection] = ()
    refusals: Sequence[WherobotsApiError | None] = ()
    can_attach: bool = True
    cancel_seconds: float = 0.2
    answers: bool = True
    executions: dict[str, Running] = field(default_factory=dict)
    arrived: list[tuple[ClientMessage, float]] = field(default_factory=list)
    written: list[tuple[ClientMessage, float]] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Connection | None, bool, ServerMessage]] = []
        self._numbers = itertools.count()
        self._opened = 0

    # What the client does

    def connect(self, moment: float) -> Connection:
        attempt = len(self.connects)
        self.connects.append(moment)
        refusal = self.refusals[attempt] if attempt < len(self.refusals) else None
        if refusal is not None:
            raise refusal
        found = self.connections[self._opened] if self._opened < len(self.connections) else Connection()
        self._opened += 1
        found.opened_at = moment
        return found

    def transmit(self, connection: Connection, message: ClientMessage, moment: float) -> None:
        if moment >= connection.noticed_at or connection.is_closed:
            raise NotWrittenError("sqlSession", "the WebSocket is closed")
        self.written.append((message, moment))
        if moment < connection.breaks_at:
            self.arrived.append((message, moment))
            self._act(connection, message, moment)

    def say(
        self, message: ServerMessage, moment: float, to: Connection | None = None, *, is_planned: bool = False
    ) -> None:
        """Let a message come at a moment.

        :param moment: when, in epoch seconds.
        :param to: the connection; default the execution's of then.
        :param is_planned: whether it only comes if the execution has not ended otherwise by then.
        """
        heapq.heappush(self._events, (moment, next(self._numbers), to, is_planned, message))

    def next_message(self, connection: Connection, until: float) -> tuple[float, ServerMessage] | None:
        """The next message that reaches a connection before it breaks, and when."""
        while self._events and self._events[0][0] <= until:
            moment, _, to, is_planned, message = heapq.heappop(self._events)
            if is_planned and self._is_void(message, moment):
                continue
            if (to or self._owner(message.execution_id)) is connection:
                at = moment + connection.delay
                if at < connection.breaks_at:
                    return at, message
        return None

    # What the session does

    def _act(self, connection: Connection, message: ClientMessage, moment: float) -> None:
        match message:
            case ExecuteSql():
                assert message.execution_id not in self.executions, "an execution id is used twice"
                self._start(connection, message, moment)
            case RetrieveResults():
                if self.answers:
                    self.say(self._answer(connection, message, moment), moment, connection)
            case CancelExecution():
                running = self.executions.get(message.execution_id)
                ends_at = moment + self.cancel_seconds
                if running is not None and running.state(moment) == "running" and ends_at < running.ends_at:
                    self._end(running, message.execution_id, ends_at, CANCELLED)

    def _start(self, connection: Connection, message: ExecuteSql, moment: float) -> None:
        plan = self.plans[min(len(self.executions), len(self.plans) - 1)]
        ends_at = moment + plan.seconds
        running = Running(plan, moment, ends_at, plan.final, connection, message.store is not None)
        self.executions[message.execution_id] = running
        self._tell(running, StateUpdated(message.execution_id, "running"), moment)
        if plan.progress_every:
            for number in itertools.count(1):
                at = moment + number * plan.progress_every
                if at >= ends_at or number > 2_000:
                    break
                self.say(ExecutionProgress(message.execution_id, 5_000, number, 4), at, is_planned=True)
        self._end(running, message.execution_id, ends_at, plan.final)

    def _end(self, running: Running, execution_id: str, moment: float, final: str) -> None:
        running.ends_at, running.final = moment, final
        if not running.plan.is_final_event_lost:
            uri = running.plan.result_uri if final == SUCCEEDED else None
            self._tell(running, StateUpdated(execution_id, final, uri), moment)
        if final == FAILED:
            at = max(running.began_at, moment + running.plan.error_after)
            self._tell(running, ExecutionError(execution_id, FAILURE), at)

    def _tell(self, running: Running, message: ServerMessage, moment: float) -> None:
        for _ in range(running.plan.copies):
            self.say(message, moment, is_planned=True)

    def _is_void(self, message: ServerMessage, moment: float) -> bool:
        running = self.executions[message.execution_id]
        self._cancel_orphan(running, message.execution_id, moment)
        if isinstance(message, StateUpdated) and message.is_final:
            return (message.state, moment) != (running.final, running.ends_at)
        if isinstance(message, ExecutionError):
            return running.final != FAILED
        return isinstance(message, ExecutionProgress) and moment >= running.ends_at

    def _owner(self, execution_id: str) -> Connection | None:
        running = self.executions.get(execution_id)
        return None if running is None else running.owner

    def _cancel_orphan(self, running: Running, execution_id: str, moment: float) -> None:
        if running.owner is not None and moment >= running.owner.breaks_at + GRACE:
            at = running.owner.breaks_at + GRACE
            running.owner = None
            if at < running.ends_at:
                self._end(running, execution_id, at, CANCELLED)

    def truth(self, execution_id: str, moment: float) -> str | None:
        """What really became of a statement by a moment; None if it never arrived."""
        running = self.executions.get(execution_id)
        if running is None:
            return None
        self._cancel_orphan(running, execution_id, moment)
        return running.state(moment)

    def _answer(self, connection: Connection, message: RetrieveResults, moment: float) -> ServerMessage:
        running = self.executions.get(message.execution_id)
        if running is not None:
            self._cancel_orphan(running, message.execution_id, moment)
        if running is None or moment >= running.began_at + running.plan.forgotten_after:
            return ExecutionError(message.execution_id, NOT_FOUND)
        state = running.state(moment)
        attached = message.attach and self.can_attach
        if attached:
            running.owner = connection
        if state == SUCCEEDED and running.plan.is_too_large and not running.has_store:
            connection.seconds = min(connection.seconds, moment + connection.delay + 0.001 - connection.opened_at)
            return TooLarge(LIMIT)
        if state == SUCCEEDED:
            results = None if running.has_store else running.plan.results
            uri = running.plan.result_uri if self.can_attach else None
            return ExecutionResult(message.execution_id, state, uri, None, results, attached)
        return ExecutionResult(message.execution_id, state, attached=attached)


class SqlScript(Script):
    """The worker's ``Io`` for tests, with a WebSocket to a fake session.

    :param jumps: changes of the wall clock: when each comes, in seconds from the start, and by how many seconds.
    """

    def __init__(
        self,
        session: FakeSession | None = None,
        answer: Answer | None = None,
        *,
        is_connected: bool = True,
        jitter: float = 0.0,
        jumps: Sequence[tuple[float, float]] = (),
        reload: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(answer or by_operation(), jitter=jitter, reload=reload)
        self.session = session or FakeSession()
        self.open: Connection | None = self.session.connect(START) if is_connected else None
        self.dialled: list[tuple[str, float]] = []
        """The address of each attempt to open a connection, and how long it may take, in milliseconds' precision."""
        self._jumps = jumps

    def truth(self, execution_id: str) -> str | None:
        """What really became of a statement by now; None if it never arrived."""
        return self.session.truth(execution_id, self.moment)

    def arrived(self, kind: type[ClientMessage]) -> list[ClientMessage]:
        """The messages of one kind that have arrived, in order."""
        return [message for message, _ in self.session.arrived if isinstance(message, kind)]

    def written(self, kind: type[ClientMessage]) -> list[tuple[ClientMessage, float]]:
        """The messages of one kind that were written, whether or not they arrived, with seconds from the start."""
        return [(message, at - START) for message, at in self.session.written if isinstance(message, kind)]

    @property
    def wall_clock(self) -> float:
        return self.moment + sum(seconds for at, seconds in self._jumps if self.elapsed >= at)

    async def _open_socket(self, url: str, timeout: float) -> None:
        self._begin()
        self._check_not_stopped()
        self._close()
        assert timeout > 0
        self.dialled.append((url, round(timeout, 3)))
        self.moment += LATENCY
        self.open = self.session.connect(self.moment)

    async def disconnect(self) -> None:
        self._close()

    async def transmit(self, message: ClientMessage) -> None:
        self._begin()
        self._check_not_stopped()
        self.session.transmit(self._opened(), message, self.moment)

    async def receive(self, timeout: float) -> ServerMessage | None:
        self._begin()
        self._check_not_stopped()
        return self._receive(self._opened(), timeout)

    def _opened(self) -> Connection:
        if self.open is None:
            raise not_open()
        return self.open

    def _close(self) -> None:
        if self.open is not None:
            self.open.is_closed = True
            self.open.seconds = min(self.open.seconds, self.moment - self.open.opened_at)
            self.open = None

    def _receive(self, connection: Connection, timeout: float) -> ServerMessage | None:
        assert timeout >= 0
        # A wait that is shorter than the clock's step ends at the next one.
        until = max(self.moment + timeout, math.nextafter(self.moment, math.inf)) if timeout else self.moment
        found = self.session.next_message(connection, until)
        if found is not None:
            self.moment = max(self.moment, found[0])
            return found[1]
        if connection.noticed_at <= until:
            self.moment = max(self.moment, connection.noticed_at)
            raise ConnectionLostError("sqlSession", "the connection was reset")
        self.moment = until
        return None
