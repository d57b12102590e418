"""How a 429 delays all calls made with one API key.

``Retry-After`` applies to the key, not only to the refused call. Until it has passed, every other call is refused too,
and some gateways then prolong the limit. So each driver checks here before it sends. A call that has to wait fails at
once with a ``KeyLimitedError``, and its flow sleeps, so that a deadline or a kill still ends the flow in time.

Waiting calls form one queue. Otherwise a thousand calls would wait for the same second and be refused together again.
Each call that has to wait draws a number. A counter moves through the numbers at a pace, in numbers per second, and
stops while the key is limited. A refused call keeps its number, and the counter goes back to it. So a second refusal
delays the whole queue and keeps its order. A number is valid until its call has a response other than 429.

The pace is learned, as TCP learns the rate of a network. After the first limit it doubles every ten seconds. Each
further limit makes it a little slower, and from then on it grows slowly while there is a queue. After a long limit it
grows more slowly, because such a limit costs more. The longer there is no limit, the faster it grows, because the
service may now allow much more. A change of pace moves the turns of the whole queue, so a flow cannot know its turn far
in advance: after half of a long wait it checks again (:func:`~airflow_provider_wherobots.flows.retry.pause_of`). Two
processes with one key do not know of each other, but each learns a pace that leaves the other its share.

When the counter has passed all numbers, there is no queue, and calls are sent at once. After a minute without a queue
the pace is forgotten.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS

MAX_HOLD_SECONDS = 300.0
"""The longest limit of a key in seconds, regardless of ``Retry-After``. Then a call is retried."""
FIRST_PACE = 20.0
"""The pace after the first limit, in calls per second."""
MIN_PACE = 1.0
PACE_PER_LIMIT = 0.9
"""The factor by which each further limit changes the pace."""
FIRST_GROWTH = 0.07
"""The growth of the pace per second of a queue, as a share of the pace, between the first limit and the second."""
GROWTH = 0.01
"""The same after a later limit of one second. After one of five seconds it is a fifth of this."""
MIN_GROWTH = 0.001
GROWTH_GROWTH = 2.0
"""The growth grows too, by this multiple of itself per second of a queue, up to ``FIRST_GROWTH``."""
FORGET_SECONDS = 60.0
"""The pace is forgotten after this many seconds without a queue."""
EARLY_SECONDS = 0.01
"""A sleep may end this many seconds too early."""

Places: TypeAlias = dict[str, float]
"""One caller's numbers in the queue of one key, by operation id."""


class RateLimit:
    """The limit of one API key. Each ``moment`` is in seconds, of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        # How long the last limit lasts, in seconds, and whether no call has had a response since it began.
        self._hold = 0.0
        self._is_silent = False
        # The counter, when it was last moved, its pace (0: there was no limit yet), the growth of the pace, and the
        # next number to draw.
        self._turn = 0.0
        self._moment = float("-inf")
        self._pace = 0.0
        self._growth = FIRST_GROWTH
        self._next = 0.0
        # When a call last succeeded, by operation id.
        self._succeeded: dict[str, float] = {}

    def check(self, call: Call[Any], places: Places, moment: float) -> None:
        """Refuse a call while the key is limited or other calls are before it in the queue, unless it is urgent. A call
        that has to wait gets a place; the error has its wait at the present pace.
        """
        self._advance(moment)
        if call.urgent or (call.operation not in places and self._is_free(moment)):
            return
        if call.operation not in places:
            places[call.operation] = self._draw()
        wait = self._wait(places[call.operation], moment)
        if wait > EARLY_SECONDS:
            raise KeyLimitedError(call.operation, wait)

    def responded(self, call: Call[Any], places: Places) -> None:
        """Record that a call ended with anything but 429."""
        self._is_silent = False
        places.pop(call.operation, None)

    def succeeded(self, call: Call[Any], moment: float) -> None:
        """Record that a call succeeded. While calls of its operation succeed, a 429 is no outage."""
        self._succeeded[call.operation] = moment

    def refused(self, call: Call[Any], places: Places, error: RateLimitedError, moment: float) -> None:
        """Record that the service refused a call with 429.

        A ``retry_after`` of a second or more is replaced by the seconds until the call's turn. If it is shorter or
        missing, the key is limited for a second, and for twice as long after each further refusal, up to 30 s, until a
        call has a response.
        """
        self._advance(moment)
        if (last := self._succeeded.get(call.operation)) is not None:
            error.succeeded_ago = moment - last
        retry_after = error.retry_after or 0.0
        is_given = retry_after >= FIRST_DELAY_SECONDS
        hold = min(max(retry_after, FIRST_DELAY_SECONDS), MAX_HOLD_SECONDS)
        if moment >= self._until:
            if self._is_silent:
                # The last limit was too short: this is no failure of the pace.
                if not is_given:
                    hold = min(2.0 * self._hold, MAX_DELAY_SECONDS)
            elif self._pace == 0.0 or self._turn - self._next > FORGET_SECONDS * self._pace:
                self._pace, self._growth = FIRST_PACE, FIRST_GROWTH
            else:
                self._pace = max(MIN_PACE, self._pace * PACE_PER_LIMIT)
                self._growth = max(MIN_GROWTH, GROWTH / hold)
            self._hold, self._is_silent = hold, True
        self._until = max(self._until, moment + hold)
        if call.urgent:
            return
        if call.operation in places:
            self._turn = min(self._turn, max(self._turn - 1.0, places[call.operation]))
        else:
            places[call.operation] = self._draw()
        if is_given:
            error.retry_after = self._wait(places[call.operation], moment)

    def _advance(self, moment: float) -> None:
        if (seconds := moment - max(self._moment, self._until)) > 0.0 and self._pace > 0.0:
            queued = min(seconds, max(0.0, self._next - self._turn) / self._pace)
            self._turn += seconds * self._pace
            self._pace *= 1.0 + self._growth * queued
            self._growth = min(FIRST_GROWTH, self._growth * (1.0 + GROWTH_GROWTH * self._growth * queued))
        self._moment = max(self._moment, moment)

    def _draw(self) -> float:
        number = max(self._next, self._turn)
        self._next = number + 1.0
        return number

    def _is_free(self, moment: float) -> bool:
        return moment >= self._until and self._turn >= self._next

    def _wait(self, number: float, moment: float) -> float:
        ahead = max(0.0, number - self._turn)
        return max(0.0, self._until - moment) + (ahead / self._pace if ahead else 0.0)


class RateLimits:
    """The limits of all API keys in use."""

    def __init__(self) -> None:
        self._by_key: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    def of(self, api_key: str) -> RateLimit:
        return self._by_key[api_key]
