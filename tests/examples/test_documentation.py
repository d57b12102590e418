"""The Python in README and docs runs as it stands there, and renders in a run without a logical date."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import StrictUndefined

from airflow_provider_wherobots.compat import AIRFLOW
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.support.pages import code

TREE = Path(__file__).parents[2]
# A block below such a comment is a part of a file, see test_documentation_is_complete.py.
BLOCK = re.compile(r"(<!-- \S+: \w+ -->\n)?^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


EXAMPLES = [
    pytest.param(code(kind, block), id=f"{page.relative_to(TREE)}-{number}")
    for page in (
        TREE / "README.md",
        *sorted((TREE / "docs").glob("*.md")),
        *sorted((TREE / "local_server/docs").glob("*.md")),
    )
    # Its blocks are files for a pytest of their own: see test_testing_dags.py.
    if page.name != "test-your-dags.md"
    for number, (copied, kind, block) in enumerate(BLOCK.findall(page.read_text()))
    if not copied
]


def render(operator: WherobotsRunOperator, try_number: int = 2) -> dict[str, Any]:
    """Render what is templated as Airflow 3 does in a run that was triggered by hand: there is no ``ds``, no ``ts``."""
    run = SimpleNamespace(logical_date=None, run_after=datetime.now(UTC), run_id="manual__1")
    context: Any = {"dag_run": run, "run_id": run.run_id, "ti": SimpleNamespace(try_number=try_number)}
    environment = operator.get_template_env()
    environment.undefined = StrictUndefined
    return {
        field: operator.render_template(getattr(operator, field), context, environment)
        for field in operator.template_fields
    }


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 2


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_runs(block: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    if "retry_policies" in block and AIRFLOW < (3, 3):
        pytest.skip("Airflow has retry policies from 3.3 on")
    if "airflow.sdk" in block and AIRFLOW < (3, 0):
        pytest.skip("an example for Airflow 3")
    exec(compile(block, "example", "exec"), names)  # noqa: S102 - our own documentation
    for name, value in names.items():
        if name.startswith("test_"):
            value(tmp_path)
        if isinstance(value, WherobotsRunOperator):
            render(value)


def test_the_guides_task_that_waits_for_its_start_moves_to_another_region_with_each_attempt() -> None:
    (block,) = (str(example.values[0]) for example in EXAMPLES if "max_pending_seconds=" in str(example.values[0]))
    names: dict[str, Any] = {}
    exec(compile(block, "example", "exec"), names)  # noqa: S102 - our own documentation
    regions = [render(names["tiles"], number)["region"] for number in (1, 2, 3, 4)]
    assert regions == ["aws-us-west-2", "aws-us-east-1", "aws-eu-west-1", "aws-us-west-2"]


def test_the_script_of_the_guide_finds_its_data_here_and_on_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (example.values[0] for example in EXAMPLES if "def storage" in str(example.values[0]))
    names: dict[str, Any] = {}
    exec(compile(str(block), "example", "exec"), names)  # noqa: S102 - our own documentation
    monkeypatch.setenv("WHEROBOTS_LOCAL_ROOT", "/data")
    assert names["storage"]("s3://bucket/places.parquet") == "/data/bucket/places.parquet"
    monkeypatch.delenv("WHEROBOTS_LOCAL_ROOT")
    assert names["storage"]("s3://bucket/places.parquet") == "s3://bucket/places.parquet"
