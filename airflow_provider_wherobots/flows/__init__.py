"""What happens and when, as generators that yield effects and receive results.

Belongs here: each decision that takes time or more than one call: retries, deadlines, cancels.
Not here: I/O and clocks (``drivers``), Airflow, and what a single call is (``api``).
"""
