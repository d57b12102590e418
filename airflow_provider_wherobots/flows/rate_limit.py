"""How a refusal with 429 holds all calls made with one API key.

``Retry-After`` is a word about the key, not about the one call that was refused: until it has passed, every other call
is refused too, and on some gateways prolongs the limit. So each driver asks here before it sends. A call that has to
wait is not held: it ends at once in an error such as the service's own, so that the flow's deadline, kill and outage
rules hold while it waits. Each caller is told to come back a moment later than the one before, or a thousand that
waited for the same second would be refused together again. The first one told loses nothing.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS

SPACING_SECONDS = 0.05
"""Time between two that come back."""
MAX_SPREAD_SECONDS = 30.0
"""The last come back so long after the limit; more of them than fit come in between."""
EARLY_SECONDS = 0.01
"""A sleep may end this much too early."""


class RateLimit:
    """The limit of one API key. Moments are seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._told = 0

    def check(self, call: Call[Any], moment: float) -> None:
        """Refuse a call while the key is limited.

        :param call: what is to be sent; an urgent one may always go.
        :param moment: now.
        :raises KeyLimitedError: when it has to wait; says for how long.
        """
        if not call.urgent and self._until - moment > EARLY_SECONDS:
            raise KeyLimitedError(call.operation, self._next(moment))

    def refused(self, error: RateLimitedError, moment: float) -> None:
        """Take note that the service refused a call with 429, and spread those that it tells when to come back.

        :param error: the refusal. Without a ``Retry-After`` of use, the key waits for the first delay of a retry.
        :param moment: now.
        """
        if moment >= self._until:
            self._told = 0
        asked = error.retry_after
        self._until = max(self._until, moment + max(asked or 0.0, FIRST_DELAY_SECONDS))
        if asked is not None and asked >= FIRST_DELAY_SECONDS:
            error.retry_after = self._next(moment)

    def _next(self, moment: float) -> float:
        spread = self._told * SPACING_SECONDS % MAX_SPREAD_SECONDS
        self._told += 1
        return self._until - moment + spread


class RateLimits:
    """The limits of all API keys in use."""

    def __init__(self) -> None:
        self._by_key: dict[str, RateLimit] = {}

    def of(self, api_key: str) -> RateLimit:
        """The limit of a key.

        :param api_key: the key.
        """
        return self._by_key.setdefault(api_key, RateLimit())
