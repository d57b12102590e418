"""How many examples a property is tried with: few in ``make test``, many in ``make matrix``.

The variable ``HYPOTHESIS_PROFILE`` chooses: ``quick``, the default, or ``thorough``.
"""

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = {"quick": 10, "thorough": 100}


def load_profile() -> None:
    """Load the profile that the environment names. Neither has a rule about time: a slow machine is no failure."""
    for name, examples in _EXAMPLES.items():
        settings.register_profile(
            name,
            max_examples=examples,
            deadline=None,
            # A strategy that filters too much is a failure.
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
