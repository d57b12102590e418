"""One hypothesis profile for all unit tests: as many examples as fit a quick run, and no timing rule.

``make test-unit`` takes the profile ``quick``, for the answer while one edits, and so does the matrix on all Airflows
but the newest; everything else takes ``unit``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for name, examples in (("unit", 100), ("quick", 10)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        # Slow machines are no failure; a strategy that filters too much is one.
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))
