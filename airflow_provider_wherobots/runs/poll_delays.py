"""The delays between two polls of a run. Imports nothing, because a DAG file with a sensor needs them too."""

MIN_POLL_SECONDS = 2.0
"""The least ``polling_interval``: each poll costs the service a call."""
FIRST_POLL_SECONDS = 6.0
"""The delay while a run is young. Its log is read until 10 s after its end at least, so less gains little."""
DELAY_PER_AGE = 1 / 120
"""How much the delay grows with the time that the attempt has followed the run."""
