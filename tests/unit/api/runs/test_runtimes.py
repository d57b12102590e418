from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.runs.runtimes import after_out_of_memory, next_smaller


@pytest.mark.parametrize(
    ("runtime", "smaller"),
    [
        ("micro", None),
        ("large", "medium"),
        ("medium-himem", None),
        ("2x-large-hicpu", "x-large-hicpu"),
        ("x-large-matcher", None),
        ("small-a10-gpu", "tiny-a10-gpu"),
        ("TINY", "micro"),
        ("XXLARGE", "x-large"),
        ("huge", None),
    ],
)
def test_the_next_smaller_runtime_is_of_the_same_kind(runtime: str, smaller: str | None) -> None:
    assert next_smaller(runtime) == smaller


@pytest.mark.parametrize(
    ("runtime", "wanted", "following"),
    [
        ("tiny", "next", "small"),
        ("4x-large", "next", None),
        ("huge", "next", None),
        ("", "next", None),
        ("tiny", "large", "large"),
        ("large", "large", None),
        ("tiny", ["tiny", "large", "large-himem"], "large"),
        ("large", ["tiny", "large", "large-himem"], "large-himem"),
        ("large-himem", ["tiny", "large", "large-himem"], None),
        ("tiny", ["large", "large-himem"], "large"),
        ("", ["large", "large-himem"], "large"),
        ("SMALL", ["small", "medium"], "medium"),
        ("small", ["SMALL", "medium"], "medium"),
        ("large", ["small", "medium"], None),
        ("large", ["small", "x-large"], "x-large"),
    ],
)
def test_the_runtime_after_one_that_had_too_little_memory(
    runtime: str, wanted: str | list[str], following: str | None
) -> None:
    assert after_out_of_memory(runtime, wanted) == following
