"""The statements of a try, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.compat import Context
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.look_back import Planned
from airflow_provider_wherobots.flows.sql.session import SessionWait
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, StatementOutcome
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.xcoms import DEFERRED_TRY_KEY, SQL_SESSION_ID_KEY, SQL_SETTLED_KEY, SQL_UNSETTLED_KEY

SHOWN_CHARS = 120
"""How much of a statement a message shows."""


@dataclass
class SqlWork:
    """The statements of a try, and how far it has come.

    :param context: the task's context.
    :param planned: the statements.
    :param session_id: the session's id.
    :param wait: how long to wait for the session.
    :param deadline: when to give up, in epoch seconds, or None.
    :param max_outage_seconds: how long a lost connection may take to be replaced, in seconds; default 600.
    """

    context: Context
    planned: list[Planned]
    session_id: str
    wait: SessionWait
    deadline: float | None
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
    session: SqlSession | None = None
    index: int = 0
    seconds: float = 0.0
    values: list[Any] = field(default_factory=list)
    descriptions: list[Any] = field(default_factory=list)
    rows: int | None = None
    last: StatementOutcome | None = None
    has_written: bool = False
    """Whether a statement that must not be executed again has taken effect, or may have."""
    is_writing: bool = False
    """Whether such a statement is sent, and its outcome not known yet."""

    @property
    def may_have_written(self) -> bool:
        """Whether a retry must find out what became of the statements."""
        return self.has_written or self.is_writing

    @property
    def statement(self) -> Planned:
        """The statement that is executed next."""
        return self.planned[self.index]

    @property
    def url(self) -> str:
        """Address of the session's WebSocket; empty if it is not known yet."""
        return "" if self.session is None else self.session.socket_url

    @property
    def holds_results(self) -> bool:
        """Whether the process holds results that the task returns: a deferral would lose them."""
        return any(value is not None for value in self.values)

    def options(self, hand_over_after: float | None = None) -> StatementOptions:
        """How the next statement is followed.

        :param hand_over_after: seconds after which the triggerer may follow it; default None, never.
        """
        return StatementOptions(
            url=self.url,
            deadline=self.deadline,
            hand_over_after=hand_over_after,
            max_outage_seconds=self.max_outage_seconds,
        )

    def resume_at(self, index: int, seconds: float) -> None:
        """Go to the statement that a trigger has followed. Those before it had no result, else it had stayed.

        :param index: its place, from 0.
        :param seconds: how long those before it took, in seconds.
        """
        self.index, self.seconds = index, seconds
        self.has_written = not all(statement.may_repeat for statement in self.planned[:index])
        self.is_writing = not self.planned[index].may_repeat
        nothing = [None for statement in self.planned[:index] if statement.wants_result]
        self.values, self.descriptions = list(nothing), list(nothing)

    def name(self, index: int | None = None, limit: int | None = SHOWN_CHARS) -> str:
        """A statement as messages name it.

        :param index: its place, from 0; default that of the next.
        :param limit: how many characters of it are shown; None shows what a log may show.
        """
        at = self.index if index is None else index % len(self.planned)
        count = len(self.planned)
        text = self.planned[at].text
        shown = masked(text) if limit is None else masked(text, limit)
        return f"Statement {at + 1} of {count} ({shown})" if count > 1 else f"Statement ({shown})"


def was_settled(earlier_keys: frozenset[str] | None, tries: int) -> bool | None:
    """Whether no earlier try has sent a statement that must not be executed again and may have taken effect.

    :param earlier_keys: the keys of the XComs of the try before; None if they are not known.
    :param tries: how many earlier tries there are.
    :returns: the answer; None if it is not known.
    """
    if earlier_keys is None:
        return None
    # On Airflow 3.0 a key may be left of an even earlier try, see operators/airflow_3_0.py.
    if SQL_SETTLED_KEY in earlier_keys and DEFERRED_TRY_KEY not in earlier_keys:
        return True
    if SQL_UNSETTLED_KEY in earlier_keys:
        return False
    # A try that ended before it came as far as a session may not have passed on the doubt of those before it.
    return True if tries < 2 or SQL_SESSION_ID_KEY in earlier_keys else None
