"""Waiting for quota: how long to wait while the organization is full, and when to send the create again.

A wait of up to three minutes stays in the process that sends the create. A longer one is handed over: the caller waits
elsewhere, and sends the create again with the same :class:`QuotaWait`, which has the start and the limit of the wait.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import Arrival, QuotaError, WherobotsApiError
from airflow_provider_wherobots.flows.retry import JITTER, at_most, growing_delay
from airflow_provider_wherobots.io.base import Io, Pause
from airflow_provider_wherobots.stored import StoredOptions

DEFAULT_MAX_QUOTA_WAIT_SECONDS = 3_600.0
"""How long to wait for quota unless the user sets another limit."""
FIRST_QUOTA_RETRY_SECONDS = 5.0
"""The pause after the first refusal: a run of the organization may just be ending."""
MAX_QUOTA_RETRY_SECONDS = 300.0
"""The longest pause between two create requests. Runs that free quota take minutes to hours."""
MIN_RUN_SECONDS = 10.0
"""A run with less time than this before the deadline is not created."""
HEARTBEAT_SECONDS = 300.0
"""The longest time without a log line."""
HOLD_SECONDS = 180.0
"""How long a wait can hold a worker before it is handed over."""


@dataclass(frozen=True, slots=True)
class QuotaWait(StoredOptions):
    """A wait for quota; JSON-able, so that a deferral can carry it.

    :param max_seconds: how long it can take in all; 0 does not wait.
    :param may_hand_over: whether a long wait is handed over to the caller.
    :param deadline: when to give up in any case, in epoch seconds; None is never.
    :param since: when quota was first refused, in epoch seconds; None before the first refusal.
    :param refusals: how often it was refused so far.
    """

    max_seconds: float = DEFAULT_MAX_QUOTA_WAIT_SECONDS
    may_hand_over: bool = False
    deadline: float | None = None
    since: float | None = None
    refusals: int = 0

    def refused(self, moment: float) -> QuotaWait:
        since = moment if self.since is None else self.since
        return replace(self, since=since, refusals=self.refusals + 1)

    def waited(self, moment: float) -> float:
        """Seconds since quota was first refused."""
        return 0.0 if self.since is None else max(0.0, moment - self.since)

    def next_attempt(self, error: QuotaError, moment: float) -> Pause | None:
        """The pause before the create is sent again: a growing delay or the service's ``Retry-After``, the longer of
        both, but at most what is left of the wait; None if nothing is left.
        """
        left = self.left(moment)
        if left <= 0:
            return None
        growing = growing_delay(max(1, self.refusals), FIRST_QUOTA_RETRY_SECONDS, MAX_QUOTA_RETRY_SECONDS)
        delay = max(growing, error.retry_after or 0.0)
        return at_most(left, Pause(delay, JITTER))

    def left(self, moment: float) -> float:
        """Seconds that are left of the wait."""
        return min(self.max_seconds - self.waited(moment), self._left_until_deadline(moment))

    def ends_at_deadline(self, moment: float) -> bool:
        """Whether the deadline ends the wait, and not ``max_seconds``."""
        return self._left_until_deadline(moment) <= self.max_seconds - self.waited(moment)

    def _left_until_deadline(self, moment: float) -> float:
        return float("inf") if self.deadline is None else self.deadline - MIN_RUN_SECONDS - moment

    def is_handed_over(self, delay: float, moment: float) -> bool:
        """Whether the caller waits from now on. ``delay`` is the seconds until the create is sent again."""
        return self.may_hand_over and self.waited(moment) + delay > HOLD_SECONDS


@dataclass(frozen=True, slots=True)
class AwaitingQuota:
    """There is no run or SQL session yet: the organization is full. The caller waits, and continues with ``wait``."""

    wait: QuotaWait
    pause: Pause


class QuotaNotFreedError(WherobotsApiError):
    """The organization had no room until the wait reached its limit. Nothing was created."""

    says_what_failed = True
    transient = True
    arrival = Arrival.REFUSED

    def __init__(self, refusal: QuotaError, wait: QuotaWait, moment: float, what: str = "run") -> None:
        self.at_deadline = wait.ends_at_deadline(moment)
        limit, waited = f"max_quota_wait_seconds={wait.max_seconds:g}", words.duration(wait.waited(moment))
        if self.at_deadline:
            when = f" for {waited}, and the task's execution_timeout leaves no time for a {what}"
        elif wait.max_seconds > 0:
            when = f" for {waited} ({limit})"
        else:
            when = f". Not waiting, because {limit}"
        super().__init__(
            refusal.operation,
            f"No {what} was created: the organization's quota was used up{when}. {words.quoted(refusal.said)}. Free "
            "quota, request a smaller runtime or disks, or raise max_quota_wait_seconds",
        )


class QuotaRefusals:
    """Counts and logs the refusals of a create: the first, then a heartbeat, and when the wait is handed over."""

    def __init__(self, wait: QuotaWait, what: str = "run") -> None:
        self._wait = wait
        self._what = what
        self._noted_at: float | None = None

    async def refused(self, io: Io, error: QuotaError) -> Pause | AwaitingQuota:
        """The pause before the create is sent again, or the wait if it is handed over. Raises a ``QuotaNotFreedError``
        when the wait has reached its limit.
        """
        moment = io.now()
        self._wait = wait = self._wait.refused(moment)
        pause = wait.next_attempt(error, moment)
        if pause is None:
            raise QuotaNotFreedError(error, wait, moment, self._what) from error
        is_handed_over = wait.is_handed_over(pause.seconds, moment)
        delay = words.duration(pause.seconds)
        if wait.refusals == 1:
            by_deadline = wait.ends_at_deadline(moment)
            limit = "execution_timeout" if by_deadline else f"max_quota_wait_seconds={wait.max_seconds:g}"
            self._noted_at = moment
            await io.note(
                logging.WARNING,
                f"No {self._what} was created yet: the organization's quota is used up. {error.reason}. "
                f"Retrying the create request for up to {words.duration(wait.left(moment))} ({limit}), first in "
                f"{delay}",
            )
        elif is_handed_over or self._noted_at is None or moment - self._noted_at >= HEARTBEAT_SECONDS:
            self._noted_at = moment
            waited = words.duration(wait.waited(moment))
            await io.note(logging.INFO, f"Still waiting for quota after {waited}; next create request in {delay}")
        return AwaitingQuota(wait, pause) if is_handed_over else pause
