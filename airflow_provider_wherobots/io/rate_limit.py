"""How a 429 delays all calls made with one API key.

``Retry-After`` applies to the key, not only to the refused call. Until it has passed, every other call is refused too,
and some gateways then prolong the limit. So each ``Io`` checks here before it sends. A call that has to wait fails at
once with a ``KeyLimitedError``, and its flow sleeps, so that a deadline or a kill still ends the flow in time. The
sleeps end at random moments, so that a thousand calls are not sent, and refused, in the same second
(:func:`~airflow_provider_wherobots.flows.retry.pause_after`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any
from weakref import WeakKeyDictionary

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import KeyLimitedError, RateLimitedError

MIN_RETRY_AFTER_SECONDS = 1.0
"""A shorter ``Retry-After`` is ignored: "Retry-After: 0" would mean retries without a pause."""
MAX_RETRY_AFTER_SECONDS = 300.0
"""A longer ``Retry-After`` is cut: a gateway may ask for an hour, and the run ends meanwhile."""


class RateLimit:
    """The limit of one API key. Each ``moment`` is in seconds, of any clock that does not jump."""

    def __init__(self) -> None:
        self._until = float("-inf")
        # When a call last succeeded, by operation id.
        self._succeeded: dict[str, float] = {}

    def check(self, call: Call[Any], moment: float) -> None:
        """Refuse a call while the key is limited, unless it is urgent."""
        if moment < self._until and not call.urgent:
            raise KeyLimitedError(call.operation, self._until - moment)

    def succeeded(self, call: Call[Any], moment: float) -> None:
        """Record that a call succeeded. While calls of its operation succeed, a 429 is no outage."""
        self._succeeded[call.operation] = moment

    def refused(self, call: Call[Any], error: RateLimitedError, moment: float) -> None:
        """Record that the service refused a call with 429. The key is limited for the ``Retry-After``, at most for five
        minutes, and for a second if it is shorter or missing.
        """
        if (last := self._succeeded.get(call.operation)) is not None:
            error.succeeded_ago = moment - last
        hold = min(max(error.retry_after or 0.0, MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS)
        self._until = max(self._until, moment + hold)


class RateLimits:
    """The limits of all API keys in use."""

    def __init__(self) -> None:
        self._by_key: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    def of(self, api_key: str) -> RateLimit:
        return self._by_key[api_key]


_of_event_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, RateLimits] = WeakKeyDictionary()


def limits_of_event_loop() -> RateLimits:
    """The limits that all triggers of a triggerer share: it has one event loop for them."""
    return _of_event_loops.setdefault(asyncio.get_running_loop(), RateLimits())
