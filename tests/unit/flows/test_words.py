from __future__ import annotations

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.logs.records import make_safe


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a second"),
        (0.999, "less than a second"),
        (1, "1 second"),
        (14.4, "14 seconds"),
        (59.6, "1 minute"),
        (127, "2 minutes 7 seconds"),
        (3599.9, "1 hour"),
        (7505, "2 hours 5 minutes"),
        (90_000, "1 day 1 hour"),
    ],
)
def test_durations_are_said_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_words_are_english_whatever_the_process_speaks() -> None:
    before = pendulum.get_locale()
    pendulum.set_locale("de")
    try:
        assert words.duration(7_500) == "2 hours 5 minutes"
        assert words.moment(1_750_000_000.9) == "2025-06-15 15:06:40 UTC"
    finally:
        pendulum.set_locale(before)


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_quoted_text_is_safe_and_bounded(text: str, limit: int) -> None:
    said = words.quoted(text, limit)
    assert len(said) <= limit
    said.encode()
    assert said.removesuffix("…") in make_safe(text) or said == make_safe(text)
