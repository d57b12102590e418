"""One hypothesis profile for all unit tests: as many examples as fit a quick run, and no timing rule."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    max_examples=100,
    deadline=None,
    # Slow machines are no failure; a strategy that filters too much is one.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")
