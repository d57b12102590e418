"""Jobs that really fail on the local server, and the cause that the task's exception names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsRunFailedException,
    WherobotsRunNotStartedException,
    WherobotsRunTimedOutException,
)
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.support import TaskInstance, run_to_end
from wherobots_local import LocalServer

JOBS = {
    "memory": "rows = bytearray(1 << 50)",
    "chained": "try:\n    bytearray(1 << 50)\nexcept MemoryError as e:\n    raise RuntimeError('batch 3') from e",
    "killed": "import os, signal\nprint('reading', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
    "module": "import shapelyy",
    "disk": "with open('/dev/full', 'w') as file:\n    file.write('x')",
    "mentions": "print('MemoryError: none', flush=True)\nraise ValueError('ModuleNotFoundError: none')",
    "timeout": "import time\nprint('MemoryError', flush=True)\ntime.sleep(60)",
}
NO_FILE = {"sourceType": "FILE", "filePath": "s3://jobs/none-1.0-py3-none-any.whl"}


@pytest.fixture
def failure(operator: Callable[..., WherobotsRunOperator], server: LocalServer) -> Callable[..., str]:
    def fail_with(kind: type[WherobotsException], job: str, **arguments: Any) -> str:
        (server.root / "jobs" / f"{job}.py").write_text(JOBS[job])
        with pytest.raises(kind) as failed:
            run_to_end(operator(run_python={"uri": f"s3://jobs/{job}.py"}, **arguments), TaskInstance())
        return str(failed.value)

    return fail_with


@pytest.mark.parametrize("arguments", [{}, {"deferrable": False}, {"poll_logs": False}])
@pytest.mark.parametrize(
    ("job", "cause"),
    [
        ("memory", "out of memory (MemoryError)"),
        ("chained", "out of memory (MemoryError)"),
        ("killed", "perhaps out of memory (SIGKILL)"),
        ("module", "missing package (ModuleNotFoundError: No module named 'shapelyy')"),
        ("disk", "disk full (OSError: [Errno 28] No space left on device)"),
    ],
)
def test_a_failure_with_a_known_cause_names_it_once_and_before_the_log(
    failure: Callable[..., str], job: str, cause: str, arguments: dict[str, Any]
) -> None:
    text = failure(WherobotsRunFailedException, job, **arguments)
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("Probable cause: ")] == [lines[1]]
    assert lines[1].startswith(f"Probable cause: {cause}. ")
    assert lines[2].startswith("Run: http")


@pytest.mark.parametrize(
    ("job", "kind", "arguments"),
    [
        ("mentions", WherobotsRunFailedException, {}),
        ("mentions", WherobotsRunNotStartedException, {"environment": {"dependencies": [NO_FILE]}}),
        ("timeout", WherobotsRunTimedOutException, {"timeout_seconds": 2}),
        (
            "timeout",
            WherobotsExecutionTimeoutException,
            {"execution_timeout": timedelta(seconds=3), "timeout_seconds": 600},
        ),
    ],
)
def test_a_failure_without_a_known_cause_or_by_a_timeout_names_none(
    failure: Callable[..., str], job: str, kind: type[WherobotsException], arguments: dict[str, Any]
) -> None:
    assert "Probable cause" not in failure(kind, job, **arguments)
