"""What happens and when, as coroutines over an ``Io``.

Belongs here: each decision that takes time or more than one call: retries, deadlines, cancels.
Not here: I/O and clocks (``io``), Airflow, and what a single call is (``api``).
"""
