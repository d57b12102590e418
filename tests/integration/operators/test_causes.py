"""Jobs that really fail on the local server, and the cause that the task's exception names."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from tests.integration.support import Operator, TaskInstance, run_to_end
from wherobots_local import LocalServer


@pytest.mark.parametrize("arguments", [{}, {"deferrable": False}, {"poll_logs": False}])
@pytest.mark.parametrize(
    ("job", "cause"),
    [
        ("bytearray(1 << 50)", "out of memory (MemoryError)"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "perhaps out of memory (SIGKILL)"),
    ],
)
def test_a_failure_with_a_known_cause_names_it_once_and_before_the_log(
    operator: Operator, server: LocalServer, job: str, cause: str, arguments: dict[str, Any]
) -> None:
    (server.root / "jobs" / "fails.py").write_text(job)
    with pytest.raises(WherobotsRunFailedException) as failed:
        run_to_end(operator(run_python={"uri": "s3://jobs/fails.py"}, **arguments), TaskInstance())
    lines = str(failed.value).splitlines()
    assert [line for line in lines if line.startswith("Probable cause: ")] == [lines[1]]
    assert lines[1].startswith(f"Probable cause: {cause}. ")
    assert lines[2].startswith("Run: http")
