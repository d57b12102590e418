"""The delays between two polls of a run. Imports nothing, because a DAG file with a sensor needs them too."""

MIN_DELAY_SECONDS = 2.0
HIDDEN_DELAY_SECONDS = 5.0
"""The shortest delay between polls if the wait for late lines hides it: that wait counts from the run's end, too."""
DELAY_PER_AGE = 0.1
"""How much the delay grows with the run's age."""
