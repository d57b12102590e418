"""What one try of a task knows about its other tries."""

from __future__ import annotations

from airflow_provider_wherobots.runs.outcome import Ending, Outcome

EARLIER_CANCEL_SECONDS = 300.0
"""A re-attached run that ends CANCELLED within this time was cancelled by the previous try."""


def is_last(try_number: int, max_tries: int) -> bool:
    """Whether Airflow makes no other try after this one fails."""
    return try_number > max_tries


def first_since_clear(try_number: int, max_tries: int, retries: int) -> int:
    """The number of the first try since the task was cleared last.

    A clear raises ``max_tries`` so that all retries are left again; nothing else distinguishes it from a retry.
    """
    first = max_tries - retries + 1
    # Otherwise ``retries`` was changed while the task ran. Then nothing is known of a clear.
    return first if 1 <= first <= try_number else 1


def begins_after_clear(try_number: int, first: int, last_begun: int | None) -> bool:
    """Whether no try has begun since the task was last cleared. ``first`` is the first try since then, ``last_begun``
    the last try that has begun; None if that is not known.
    """
    return try_number == first if last_begun is None else last_begun < first


def was_cancelled_for_earlier_try(outcome: Outcome, reattached: bool, started_at: float) -> bool:
    """Whether a run ended because the previous try cancelled it: that takes up to a minute to show. ``started_at`` is
    when this try got the run, in epoch seconds.
    """
    is_cancelled = outcome.ending is Ending.CANCELLED and reattached
    return is_cancelled and outcome.ended_at - started_at < EARLIER_CANCEL_SECONDS
