"""How a 429 delays all calls made with one API key.

``Retry-After`` applies to the key, not only to the refused call: until it has passed, every other call is refused too,
and on some gateways prolongs the limit. So each driver checks here before it sends. A call that has to wait fails at
once with a ``KeyLimitedError``, and its flow waits, so that the flow's deadline and kill still apply.

Waiting calls form one queue. Otherwise a thousand calls would wait for the same second and be refused together again.
Each call that has to wait draws a number, and a counter says whose turn it is. The counter moves at a pace, in numbers
a second, and stops while the key is limited. A refused call keeps its number, and the counter goes back for it. So
another refusal delays the whole queue and reorders nothing: a number is good until the service answers its call with
something other than 429.

The pace is learned, as TCP learns the rate of a network. After a first limit it doubles every ten seconds; each further
limit makes it a little slower, and from then on it grows slowly while there is a queue: the more slowly, the longer a
limit lasts and so costs. The longer no limit comes, the faster it grows: the service may allow much more than before. A
change applies to the whole queue at once, so a flow cannot know its turn long before: a run's status and log are asked
for again after half of a long wait (:func:`~airflow_provider_wherobots.flows.retry.pause_of`). Two processes with one
key do not know of each other, but each learns a pace that leaves the other its share.

Once the counter has passed all numbers, there is no queue, and calls are sent at once. After a while without a queue,
its pace is forgotten.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS

MAX_HOLD_SECONDS = 300.0
"""A key is limited for this long at most, whatever ``Retry-After`` says; then a call is tried again."""
FIRST_PACE = 20.0
"""Calls of a queue in a second, after its first limit."""
MIN_PACE = 1.0
PACE_PER_LIMIT = 0.9
FIRST_GROWTH = 0.07
"""By which share the pace grows in a second of a queue, until a second limit."""
GROWTH = 0.01
"""The same from then on, if the last limit took a second. If it took five, a fifth of it."""
MIN_GROWTH = 0.001
GROWTH_GROWTH = 2.0
"""By which multiple of that share the share itself grows. It never exceeds the first."""
FORGET_SECONDS = 60.0
"""The pace of a queue is forgotten after this long without a queue."""
EARLY_SECONDS = 0.01
"""A sleep may end this much too early."""

Places: TypeAlias = dict[str, float]
"""One caller's numbers in the queue of one key, by operation id."""


class RateLimit:
    """The limit of one API key. Moments are seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        # How long the last limit takes, and whether no call was answered since.
        self._hold = 0.0
        self._is_unanswered = False
        # Whose turn it is, as of which moment, at what pace that moves (0: there was no limit yet), how fast the pace
        # grows, and the next number to draw.
        self._turn = 0.0
        self._moment = float("-inf")
        self._pace = 0.0
        self._growth = FIRST_GROWTH
        self._next = 0.0
        # When a call last succeeded, by operation id.
        self._succeeded: dict[str, float] = {}

    def check(self, call: Call[Any], places: Places, moment: float) -> None:
        """Refuse a call while the key is limited or other calls are before it in the queue.

        :param call: the call to be sent; an urgent one is never refused.
        :param places: the caller's places; the call's is added.
        :param moment: the current time.
        :raises KeyLimitedError: when the call has to wait, and for how long at the present pace.
        """
        self._advance(moment)
        if call.urgent or (call.operation not in places and self._is_free(moment)):
            return
        if call.operation not in places:
            places[call.operation] = self._draw()
        wait = self._wait(places[call.operation], moment)
        if wait > EARLY_SECONDS:
            raise KeyLimitedError(call.operation, wait)

    def answered(self, call: Call[Any], places: Places) -> None:
        """Record that a call ended with anything but 429.

        :param call: the call.
        :param places: the caller's places; the call's is removed.
        """
        self._is_unanswered = False
        places.pop(call.operation, None)

    def succeeded(self, call: Call[Any], moment: float) -> None:
        """Record that a call succeeded: then a limit of such calls is no outage.

        :param call: the call.
        :param moment: the current time.
        """
        self._succeeded[call.operation] = moment

    def refused(self, call: Call[Any], places: Places, error: RateLimitedError, moment: float) -> None:
        """Record that the service refused a call with 429.

        :param call: the call.
        :param places: the caller's places.
        :param error: the refusal. A ``retry_after`` of a second or more is replaced by the time until the call's turn;
            if it is shorter or missing, the key is limited for a second, the first delay of a retry, and for longer
            and longer until a call is answered. Its ``answered_ago`` is set.
        :param moment: the current time.
        """
        self._advance(moment)
        if (last := self._succeeded.get(call.operation)) is not None:
            error.answered_ago = moment - last
        retry_after = error.retry_after or 0.0
        is_said = retry_after >= FIRST_DELAY_SECONDS
        hold = min(max(retry_after, FIRST_DELAY_SECONDS), MAX_HOLD_SECONDS)
        if moment >= self._until:
            if self._is_unanswered:
                # The last limit was too short, which says nothing about the pace.
                if not is_said:
                    hold = min(2.0 * self._hold, MAX_DELAY_SECONDS)
            elif self._pace == 0.0 or self._turn - self._next > FORGET_SECONDS * self._pace:
                self._pace, self._growth = FIRST_PACE, FIRST_GROWTH
            else:
                self._pace = max(MIN_PACE, self._pace * PACE_PER_LIMIT)
                self._growth = max(MIN_GROWTH, GROWTH / hold)
            self._hold, self._is_unanswered = hold, True
        self._until = max(self._until, moment + hold)
        if call.urgent:
            return
        if call.operation in places:
            self._turn = min(self._turn, max(self._turn - 1.0, places[call.operation]))
        else:
            places[call.operation] = self._draw()
        if is_said:
            error.retry_after = self._wait(places[call.operation], moment)

    def _advance(self, moment: float) -> None:
        """Move the counter to a moment."""
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
        self._by_key: dict[str, RateLimit] = {}

    def of(self, api_key: str) -> RateLimit:
        """The limit of a key.

        :param api_key: the key.
        """
        if (limit := self._by_key.get(api_key)) is None:
            limit = self._by_key[api_key] = RateLimit()
        return limit
