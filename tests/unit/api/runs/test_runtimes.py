from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES, next_sizes


@pytest.mark.parametrize(
    ("runtime", "smaller", "larger"),
    [
        ("micro", None, "tiny"),
        ("large", "medium", "x-large"),
        ("4x-large", "2x-large", None),
        ("medium-himem", None, "large-himem"),
        ("2x-large-himem", "x-large-himem", "4x-large-himem"),
        ("2x-large-hicpu", "x-large-hicpu", None),
        ("x-large-matcher", None, "2x-large-matcher"),
        ("small-a10-gpu", "tiny-a10-gpu", "medium-a10-gpu"),
        ("x-large-a10-gpu", "large-a10-gpu", None),
        ("TINY", "micro", "small"),
        ("XLARGE", "large", "2x-large"),
        ("XXLARGE", "x-large", "4x-large"),
        ("huge", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_next_sizes_are_of_the_same_kind(runtime: str | None, smaller: str | None, larger: str | None) -> None:
    assert next_sizes(runtime) == (smaller, larger)


def test_a_runtime_lies_between_its_next_sizes() -> None:
    for runtime in RUNTIMES:
        smaller, larger = next_sizes(runtime)
        assert smaller is None or next_sizes(smaller)[1] == runtime
        assert larger is None or next_sizes(larger)[0] == runtime
        assert smaller or larger
