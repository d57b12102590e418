"""The forgetful Airflow forgets what Airflow 3.4 forgets, and nothing else."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import IS_FORGETFUL
from tests.e2e.world import DagCase, World

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
