import pytest

from airflow_provider_wherobots.api.runs.runtimes import after_out_of_memory


@pytest.mark.parametrize(
    ("runtime", "wanted", "following"),
    [
        ("tiny", "next", "small"),
        ("medium-himem", "next", "large-himem"),
        ("x-large-matcher", "next", "2x-large-matcher"),
        ("small-a10-gpu", "next", "medium-a10-gpu"),
        ("XLARGE", "next", "2x-large"),
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
def test_the_runtime_after_too_little_memory(runtime: str, wanted: str | list[str], following: str | None) -> None:
    assert after_out_of_memory(runtime, wanted) == following
