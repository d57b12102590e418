from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.runs.runtimes import next_smaller


@pytest.mark.parametrize(
    ("runtime", "smaller"),
    [
        ("micro", None),
        ("large", "medium"),
        ("4x-large", "2x-large"),
        ("medium-himem", None),
        ("2x-large-himem", "x-large-himem"),
        ("2x-large-hicpu", "x-large-hicpu"),
        ("x-large-matcher", None),
        ("small-a10-gpu", "tiny-a10-gpu"),
        ("TINY", "micro"),
        ("XLARGE", "large"),
        ("XXLARGE", "x-large"),
        ("huge", None),
        ("", None),
    ],
)
def test_the_next_smaller_runtime_is_of_the_same_kind(runtime: str, smaller: str | None) -> None:
    assert next_smaller(runtime) == smaller
