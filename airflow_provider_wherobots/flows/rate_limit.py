"""How a 429 delays all calls made with one API key.

``Retry-After`` applies to the key, not only to the refused call: until it has passed, every other call is refused too,
and on some gateways prolongs the limit. So each driver checks here before it sends. A call that has to wait fails at
once with a ``KeyLimitedError``, and its flow waits, so that the flow's deadline and kill still apply.

Waiting calls form one queue. Otherwise a thousand calls would wait for the same second and be refused together again.
A place in the queue is a time on a clock that stops while the key is limited; a call is due when that clock reaches
its place. So another refusal delays the whole queue and reorders nothing: a call keeps its place until the service
answers it with something other than 429. When one limit refuses many calls, the first ones keep their places and the
others go to the end. The places of a new queue are ``SPACING_SECONDS`` apart. Each new limit widens the spacing, and
each place taken narrows it a little: the queue finds the pace that the service allows. Once all places have passed,
there is no queue, and calls are sent at once; after a while without a queue, its pace is forgotten.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS

MAX_HOLD_SECONDS = 300.0
"""A key is limited for this long at most, whatever ``Retry-After`` says; then a call is tried again."""
SPACING_SECONDS = 0.05
"""Time between two places of a queue after its first refusal."""
MAX_SPACING_SECONDS = 0.5
SPACING_PER_REFUSAL = 1.5
SPACING_PER_PLACE = 0.9995
KEPT_PLACES = 10
"""How many calls keep their places when one limit refuses many."""
FORGET_SECONDS = 60.0
"""The pace of a queue is forgotten after this long without a queue."""
EARLY_SECONDS = 0.01
"""A sleep may end this much too early."""

Places: TypeAlias = dict[str, float]
"""One caller's places in the queue of one key, by operation id."""


class RateLimit:
    """The limit of one API key. Moments are seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        # How long the queue's clock has been stopped in all; the last place given, and the next one.
        self._stopped = 0.0
        self._last = float("-inf")
        self._next = float("-inf")
        self._spacing = 0.0
        self._refusals = 0

    def check(self, call: Call[Any], places: Places, moment: float) -> None:
        """Refuse a call while the key is limited or other calls are before it in the queue.

        :param call: the call to be sent; an urgent one is never refused.
        :param places: the caller's places; the call's is added.
        :param moment: the current time.
        :raises KeyLimitedError: when the call has to wait, and for how long.
        """
        if call.urgent or (call.operation not in places and self._is_free(moment)):
            return
        if call.operation not in places:
            places[call.operation] = self._last_place(moment)
        wait = self._due(places[call.operation]) - moment
        if wait > EARLY_SECONDS:
            raise KeyLimitedError(call.operation, wait)

    def refused(self, call: Call[Any], places: Places, error: RateLimitedError, moment: float) -> None:
        """Record that the service refused a call with 429.

        :param call: the call.
        :param places: the caller's places.
        :param error: the refusal. A ``retry_after`` of a second or more is replaced by the time until the call is due;
            if it is shorter or missing, the key is limited for a second, the first delay of a retry.
        :param moment: the current time.
        """
        retry_after = error.retry_after
        if moment >= self._until:
            self._refusals = 0
            if moment - self._due(self._last) > FORGET_SECONDS:
                self._spacing = 0.0
            self._spacing = min(max(self._spacing * SPACING_PER_REFUSAL, SPACING_SECONDS), MAX_SPACING_SECONDS)
            first = moment - self._stopped
            places.setdefault(call.operation, first)
            self._next = max(self._next, first + self._spacing)
        until = max(self._until, moment + min(max(retry_after or 0.0, FIRST_DELAY_SECONDS), MAX_HOLD_SECONDS))
        self._stopped += until - max(self._until, moment)
        self._until = until
        if call.urgent:
            return
        self._refusals += 1
        if self._refusals > KEPT_PLACES or call.operation not in places:
            places[call.operation] = self._last_place(moment)
        if retry_after is not None and retry_after >= FIRST_DELAY_SECONDS:
            error.retry_after = self._due(places[call.operation]) - moment

    def _last_place(self, moment: float) -> float:
        place = max(self._next, max(moment, self._until) - self._stopped)
        self._last, self._next = place, place + self._spacing
        self._spacing *= SPACING_PER_PLACE
        return place

    def _is_free(self, moment: float) -> bool:
        return moment >= max(self._until, self._due(self._last))

    def _due(self, place: float) -> float:
        return max(self._until, place + self._stopped)


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
