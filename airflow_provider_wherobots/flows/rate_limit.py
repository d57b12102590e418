"""How a refusal with 429 holds all calls made with one API key.

``Retry-After`` applies to the key, not only to the call that was refused: until it has passed, every other call
is refused too, and on some gateways prolongs the limit. So each driver checks here before it sends. A call that has to
wait is not held: it ends at once in a ``KeyLimitedError``, so that the flow's deadline and kill hold while it waits.

Calls that wait stand in one line, or a thousand that waited for the same second would be refused together again. A
place in the line is a moment of a clock that stands still while the key is limited; a call is due when that clock
reaches its place. So another refusal delays the whole line and reorders nothing: a call keeps its place until the
service answers it with something other than 429. The first calls of a refused crowd keep their places, the others go
to the end. The places of a new line are ``SPACING_SECONDS`` apart, further apart after each refusal, and ever closer
with each place that is taken: the line finds the pace that the service allows. Once all places have been passed there
is no line, and calls are sent without one; after a while without a line its pace is forgotten.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS

MAX_HOLD_SECONDS = 300.0
"""A key is held this long at most, whatever ``Retry-After`` says; then the service is asked anew."""
SPACING_SECONDS = 0.05
"""Time between two places of a line after its first refusal."""
MAX_SPACING_SECONDS = 0.5
SPACING_PER_REFUSAL = 1.5
SPACING_PER_PLACE = 0.9995
KEPT_PLACES = 10
"""The number of calls that keep their places when one limit refuses a crowd."""
FORGET_SECONDS = 60.0
"""How long there is no line until the pace of the last one is forgotten."""
EARLY_SECONDS = 0.01
"""A sleep may end this much too early."""

Places: TypeAlias = dict[str, float]
"""Places of one caller in the line of one key, by operation id."""


class RateLimit:
    """The limit of one API key. Moments are seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        # How long the line's clock has stood still; the last place given, and the one after it.
        self._stopped = 0.0
        self._last = float("-inf")
        self._next = float("-inf")
        self._spacing = 0.0
        self._refusals = 0

    def check(self, call: Call[Any], places: Places, moment: float) -> None:
        """Refuse a call while the key is limited or others are before it in the line.

        :param call: the call to be sent; an urgent one is never refused.
        :param places: the caller's places; the call's is added.
        :param moment: now.
        :raises KeyLimitedError: when it has to wait; says for how long.
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
        :param error: the refusal; its ``retry_after`` becomes the time until the call is due. Without one of use the
            key is held for the first delay of a retry.
        :param moment: now.
        """
        asked = error.retry_after
        if moment >= self._until:
            self._refusals = 0
            if moment - self._due(self._last) > FORGET_SECONDS:
                self._spacing = 0.0
            self._spacing = min(max(self._spacing * SPACING_PER_REFUSAL, SPACING_SECONDS), MAX_SPACING_SECONDS)
            first = moment - self._stopped
            places.setdefault(call.operation, first)
            self._next = max(self._next, first + self._spacing)
        until = max(self._until, moment + min(max(asked or 0.0, FIRST_DELAY_SECONDS), MAX_HOLD_SECONDS))
        self._stopped += until - max(self._until, moment)
        self._until = until
        if call.urgent:
            return
        self._refusals += 1
        if self._refusals > KEPT_PLACES or call.operation not in places:
            places[call.operation] = self._last_place(moment)
        if asked is not None and asked >= FIRST_DELAY_SECONDS:
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
        return self._by_key.setdefault(api_key, RateLimit())
