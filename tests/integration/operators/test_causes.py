"""Jobs that really fail on the local server, and the cause that the task's exception names."""

from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from tests.integration.support import Operator, TaskInstance, next_try, run_to_end
from wherobots_local import ControlClient, LocalServer


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


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_run_fails_on_purpose_and_is_retried(operator: Operator, control: ControlClient, deferrable: bool) -> None:
    message = "java.lang.OutOfMemoryError: Java heap space"
    control.add_fault("createJobRun", {"type": "fail_run", "message": message}, times=1)
    task = operator(deferrable=deferrable, retries=1, runtime="tiny", runtime_on_out_of_memory="next")
    with pytest.raises(WherobotsRunFailedException, match=message):
        run_to_end(task, ti := TaskInstance(max_tries=1))
    run_to_end(task, ti := next_try(ti))
    assert (ti.xcoms["run_summary"]["status"], ti.xcoms["run_summary"]["runtime"]) == ("COMPLETED", "small")
    assert control.counts()["creates_effective"] == 2
