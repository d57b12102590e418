"""How long transient failures are tolerated, and how long to wait between them: one rule for every call.

A call that was not sent because the API key is limited is not a failure. It is repeated, however long that takes. A
call refused with 429 may be sent again after a long time, and be refused again. That is no outage while others of its
kind succeed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    REFUSED_KEY,
    Arrival,
    KeyLimitedError,
    RateLimitedError,
    WherobotsApiError,
)
from airflow_provider_wherobots.io.base import CALL_SECONDS, Io, Pause
from airflow_provider_wherobots.io.rate_limit import MAX_RETRY_AFTER_SECONDS, MIN_RETRY_AFTER_SECONDS

T = TypeVar("T")

DEFAULT_MAX_OUTAGE_SECONDS = 600.0
"""How long an outage is tolerated unless the user sets another limit."""
REFUSED_SECONDS = 60.0
"""How long polls, look-ups and cancels may be refused until that is believed, and any call if it is the key that is
refused: somebody may be replacing it. A gateway may be wrong once. If a key that has worked before is refused while a
run or session is followed, or looked up, that is an outage."""
FIRST_RETRY_SECONDS = 1.0
"""The pause after the first failure. After each further one it is twice as long."""
MAX_RETRY_SECONDS = 30.0
"""The longest of these pauses, so that the end of an outage is noticed soon."""
MIN_FAILED_POLLS = 3
"""How many polls in a row must have failed before a run or session is given up. Two that failed with a long pause
between them, such as a ``Retry-After`` or a suspended machine, are no outage."""
SPREAD_SECONDS = 5.0
"""After a limit of the API key the calls that it delayed are sent within this time, not all in the same second."""
JITTER = 0.2
"""The share of a pause that is added at random, so that callers do not stay in step."""
CANCEL_BUDGET_SECONDS = 25.0
"""How long a cancel is retried, unless a kill or a deadline leaves less time."""
WORKER_CANCEL_BUDGET_SECONDS = 3.8
"""The same in a killed worker process, to which Airflow 3.0 to 3.3 leaves 5 s."""


class Outage:
    """A streak of consecutive failures.

    :param max_seconds: how long it can last, in seconds.
    :param refused_seconds: how long permanent failures in a row can last. By default the first ends the streak, but the
        API key can be refused for a minute.
    :param min_failures: how many failures it has at least, if any is tolerated; default 1.
    :param key_worked: whether the API key has worked before: then its refusal is transient; default once a poll has
        succeeded.
    """

    def __init__(
        self,
        max_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
        refused_seconds: float | None = None,
        min_failures: int = 1,
        *,
        key_worked: bool = False,
    ) -> None:
        self.max_seconds = max_seconds
        self._refused_seconds = refused_seconds
        self._min_failures = min_failures
        self._key_worked = key_worked
        self._since: float | None = None
        self._refused_since: float | None = None
        self._failures = 0
        self._earlier_seconds = 0.0
        self.is_first_failure = False
        """Whether the last failure began the streak."""

    def failed(self, error: WherobotsApiError, moment: float) -> float:
        """Count a failure, unless the call was not sent because the API key is limited.

        Returns the seconds to wait before the next attempt: the service's ``Retry-After`` if it is a second or more,
        else a growing delay; at most what is left of the streak's limit. Raises the error itself if it is permanent, or
        the streak has lasted too long.
        """
        if isinstance(error, KeyLimitedError):
            self.is_first_failure = False
            return error.seconds
        if self._since is None:
            self._since = moment
        if isinstance(error, RateLimitedError):
            self._since = max(self._since, moment - error.succeeded_ago)
        tolerated = self.tolerated(error)
        left = self._since + self.max_seconds - moment
        if self.is_transient(error):
            self._refused_since = None
        else:
            self._refused_since = moment if self._refused_since is None else self._refused_since
            left = min(left, self._refused_since + tolerated - moment)
        if left <= 0 and (tolerated <= 0 or self._failures + 1 >= self._min_failures):
            raise error
        self._failures += 1
        self.is_first_failure = self._failures == 1
        growing = growing_delay(self._failures)
        if left <= 0:
            return growing
        is_given = error.retry_after is not None and error.retry_after >= MIN_RETRY_AFTER_SECONDS
        delay = min(error.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS) if is_given else growing
        return min(delay, left)

    def over(self, moment: float) -> int:
        """End the streak. Returns how many failures it had."""
        self._earlier_seconds = self.seconds(moment)
        failures, self._failures, self._since, self._refused_since = self._failures, 0, None, None
        return failures

    def is_transient(self, error: WherobotsApiError) -> bool:
        """Whether a failure is tolerated for ``max_seconds``."""
        return error.transient or (self._key_worked and isinstance(error, REFUSED_KEY))

    def tolerated(self, error: WherobotsApiError) -> float:
        """How long failures of this kind in a row are tolerated, in seconds."""
        if self.is_transient(error):
            return self.max_seconds
        of_key = REFUSED_SECONDS if error.key_may_change else 0.0
        return min(self.max_seconds, of_key if self._refused_seconds is None else self._refused_seconds)

    def why_over(self, error: WherobotsApiError) -> str:
        """Why no more is tolerated: the last failure, and how long transient ones were tolerated."""
        return f"{error}; {words.given_up(self.max_seconds)}" if self.is_transient(error) else str(error)

    async def pause(self, io: Io, error: WherobotsApiError, moment: float, again: str) -> Pause:
        """The pause after a failed poll. The first failure of a streak is logged, with what is done ``again``.

        Raises as :meth:`failed` does.
        """
        delay = self.failed(error, moment)
        if self.is_first_failure:
            await io.note(logging.WARNING, f"{error}; {again}")
        return pause_after(error, delay)

    async def succeeded(self, io: Io, moment: float, service: str = "The Runs API") -> None:
        """End the streak, and log its end. ``moment`` is the time of the attempt."""
        self._key_worked = True
        if failures := self.over(moment):
            await io.note(logging.INFO, f"{service} responds again, after {words.counted(failures, 'failed attempt')}")

    def seconds(self, moment: float) -> float:
        """How long all streaks have lasted, the current one included."""
        current = 0.0 if self._since is None else max(0.0, moment - self._since)
        return round(self._earlier_seconds + current, 3)


def growing_delay(failures: int, first: float = FIRST_RETRY_SECONDS, longest: float = MAX_RETRY_SECONDS) -> float:
    """Seconds to wait after so many failures in a row, 1 or more: twice as long after each, up to the longest."""
    return min(longest, first * 2.0 ** min(failures - 1, 10))


def at_most(seconds: float, pause: Pause) -> Pause:
    """The pause, or a shorter one of so many seconds."""
    return pause if pause.seconds * (1 + pause.jitter) <= seconds else Pause(seconds)


def within(deadline: float | None, moment: float, pause: Pause) -> Pause:
    """The pause, or what is left of the time until the deadline."""
    return pause if deadline is None else at_most(max(0.0, deadline - moment), pause)


def time_left(deadline: float | None, moment: float) -> float | None:
    """The timeout of a call that must end by the deadline, a second at least; None if it does anyway."""
    return None if deadline is None or moment + CALL_SECONDS <= deadline else max(1.0, deadline - moment)


def pause_after(error: WherobotsApiError, seconds: float) -> Pause:
    """The pause of so many seconds after a failed call. After a limit of the API key the next call is sent at a random
    moment, because the limit delays other calls too.
    """
    return Pause(seconds, SPREAD_SECONDS / seconds if isinstance(error, RateLimitedError) else JITTER)


async def send(
    io: Io,
    call: Call[T],
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    *,
    refused_seconds: float | None = None,
) -> T:
    """Send a call, and repeat it while it fails transiently, or the API key is refused for not too long. One that is
    not repeatable is repeated only if it is known to have had no effect. Raises the last failure.
    """
    return await repeat(
        io,
        lambda: io.send(call),
        max_outage_seconds,
        lambda error: call.repeatable or error.arrival is not Arrival.UNCLEAR,
        refused_seconds=refused_seconds,
    )


async def repeat(
    io: Io,
    attempt: Callable[[], Awaitable[T]],
    max_outage_seconds: float,
    is_safe: Callable[[WherobotsApiError], bool] = lambda error: True,
    *,
    refused_seconds: float | None = None,
    key_worked: bool = False,
) -> T:
    """Make an attempt, and another while repeating is safe, and it fails transiently or is refused for not too long."""
    outage = Outage(max_outage_seconds, refused_seconds, key_worked=key_worked)
    while True:
        try:
            return await attempt()
        except WherobotsApiError as error:
            if not is_safe(error):
                raise
            await wait_out(io, outage, error)


async def wait_out(io: Io, outage: Outage, error: WherobotsApiError) -> None:
    """Count a failure, log it, and sleep until the next attempt is due. Raises as :meth:`Outage.failed` does."""
    delay = outage.failed(error, io.now())
    if isinstance(error, KeyLimitedError):
        await io.note(logging.INFO, str(error))
    else:
        is_first, seconds = outage.is_first_failure, outage.tolerated(error)
        # A limit of the key is tolerated for longer.
        has_limit = is_first and seconds >= 1 and not isinstance(error, RateLimitedError)
        limit = f", for up to {words.duration(seconds)}" if has_limit else ""
        key = ", each time with the connection's current API key" if error.key_may_change and is_first else ""
        level = logging.INFO if error.key_may_change and not is_first else logging.WARNING
        await io.note(level, f"{error}; retrying in {delay:.1f} s{limit}{key}")
    await io.sleep(*pause_after(error, delay))
