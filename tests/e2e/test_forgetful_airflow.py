"""The forgetful Airflow forgets what Airflow 3.4 forgets, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import IS_FORGETFUL
from tests.e2e.world import DagCase, World
from tests.support.forgotten import FOLDER
from tests.support.places import TREE

pytestmark = pytest.mark.skipif(not IS_FORGETFUL, reason="only Airflow 3.3 can be made forgetful")


@pytest.mark.forgetful
def test_what_the_starts_of_a_task_find_of_those_before(world: World) -> None:
    case = DagCase(world, "finds", world.new_name("finds"))
    told = world.root / case.dag_run
    case.trigger({"file": str(told)})
    case.end("success", try_number=2)
    for try_number, is_kept in ((3, False), (4, True)):
        # Else the scheduler could end the DAG run while its task is cleared, and would not start the task.
        assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
        case.clear(keep_task_state=is_kept)
        case.end("success", try_number=try_number)

    remembers = not world.is_forgetful

    def found(try_number: int, in_store: int | None, *, is_told_key: bool) -> dict[str, Any]:
        return {"try": try_number, "is_told_key": is_told_key, "in_store": in_store}

    assert [json.loads(line) for line in told.read_text().splitlines()] == [
        found(1, None, is_told_key=False),
        # The same try, after it was rescheduled.
        found(1, 1, is_told_key=True),
        found(2, 1, is_told_key=remembers),
        # After a clear.
        found(3, 2 if remembers else None, is_told_key=remembers),
        found(4, 3, is_told_key=remembers),
    ]


@pytest.mark.parametrize(
    ("expected", "other", "reason"),
    [
        ("xcom_keys = list(", "xcom_keys = tuple(", "0 times, not once"),
        ('before="    prevent_running_task: bool = False\\n"', 'before=""', " times, not once"),
        ("core_api.datamodels.task_instances", "core_api.datamodels.moved", "it has no "),
    ],
)
def test_an_airflow_with_another_text_does_not_start(expected: str, other: str, reason: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    hook = tmp_path / "airflow_local_settings.py"
    assert hook.read_text().count(expected) == 1
    hook.write_text(hook.read_text().replace(expected, other))
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "version"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TREE, tmp_path)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ChangedAirflowError: This Airflow cannot be made forgetful" in done.stderr
    assert reason in done.stderr
