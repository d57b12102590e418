"""The Python in README and docs runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version

AIRFLOW = tuple(map(int, airflow_version.split(".")[:2]))
CHECKOUT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(block, id=f"{page.relative_to(CHECKOUT)}-{number}")
    for page in (CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md")))
    for number, block in enumerate(BLOCK.findall(page.read_text()))
]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_runs(block: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    if "retry_policies" in block and AIRFLOW < (3, 3):
        pytest.skip("Airflow has retry policies from 3.3 on")
    exec(compile(block, "example", "exec"), names)  # noqa: S102 - our own documentation
    for name, value in names.items():
        if name.startswith("test_"):
            value(tmp_path)
