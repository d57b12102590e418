"""The delays between two polls of a run. Imports nothing, because a DAG file with a sensor needs them too."""

MIN_DELAY_SECONDS = 2.0
"""The shortest delay, however short ``polling_interval`` is."""
FIRST_DELAY_SECONDS = 6.0
DELAY_PER_AGE = 1 / 120
"""How much the delay grows with the run's age."""
