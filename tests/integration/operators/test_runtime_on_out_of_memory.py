"""A run that has certainly run out of memory: the retry gets another runtime."""

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from tests.integration.support import Operator, Said, TaskInstance, deferral_of, follow, next_try, resume, run_to_end
from wherobots_local import LocalServer

JOBS = {
    "memory": "bytearray(1 << 50)",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "fails": "raise ValueError('x')",
}

Fail = Callable[..., tuple[str, str]]


@pytest.fixture
def fail(operator: Operator, server: LocalServer) -> Fail:
    """Run a job that fails, and return the message and the runtime that the run had."""

    def fail_with(ti: TaskInstance, job: str = "memory", **arguments: Any) -> tuple[str, str]:
        (server.root / "jobs" / f"{job}.py").write_text(JOBS[job])
        task = operator(**{"runtime": "tiny", **arguments}, run_python={"uri": f"s3://jobs/{job}.py"}, retries=9)
        with pytest.raises(WherobotsRunFailedException) as failed:
            run_to_end(task, ti)
        return str(failed.value), ti.xcoms["run_summary"]["runtime"]

    return fail_with


@pytest.mark.parametrize("deferrable", [True, False])
def test_each_try_goes_one_further_and_a_clear_resets(fail: Fail, said: Said, deferrable: bool) -> None:
    wanted: dict[str, Any] = {"runtime_on_out_of_memory": ["small", "large-himem"], "deferrable": deferrable}
    text, runtime = fail(ti := TaskInstance(max_tries=9), **wanted)
    assert (text.splitlines()[2], runtime) == ("A retry gets runtime small instead of tiny", "tiny")
    assert f"Run {ti.xcoms['run_id']} was out of memory. A retry gets runtime small instead of tiny" in said()
    text, runtime = fail(ti := next_try(ti), "fails", **wanted)
    assert ("A retry" in text, runtime) == (False, "small"), "a failure for another reason changes nothing"
    assert "Using runtime small, as earlier runs were out of memory on tiny" in said()
    text, runtime = fail(ti := next_try(ti), **wanted)
    assert ("A retry gets runtime large-himem instead of small" in text, runtime) == (True, "small")
    for _ in range(2):
        text, runtime = fail(ti := next_try(ti), **wanted)
        assert ("A retry keeps runtime large-himem: " in text, runtime) == (True, "large-himem")
    assert fail(next_try(ti, max_tries=15), **wanted)[1] == "tiny"


@pytest.mark.parametrize(
    ("job", "arguments", "max_tries"),
    [
        pytest.param("memory", {}, 9, id="not asked for"),
        pytest.param("killed", {"runtime_on_out_of_memory": "next"}, 9, id="not certain"),
        pytest.param("memory", {"runtime_on_out_of_memory": "next"}, 0, id="no retry"),
    ],
)
def test_otherwise_the_runtime_stays(fail: Fail, job: str, arguments: dict[str, Any], max_tries: int) -> None:
    ti = TaskInstance(max_tries=max_tries)
    assert "A retry" not in fail(ti, job, **arguments)[0]
    assert fail(next_try(ti), job, **arguments)[1] == "tiny"


def test_without_a_store_the_message_says_that_the_runtime_stays(fail: Fail) -> None:
    ti = TaskInstance(max_tries=9, store=None)
    assert (
        "A retry keeps runtime tiny: another one is only remembered in" in fail(ti, runtime_on_out_of_memory="next")[0]
    )
    assert fail(next_try(ti), runtime_on_out_of_memory="next")[1] == "tiny"


def test_an_edited_runtime_counts(fail: Fail) -> None:
    fail(ti := TaskInstance(max_tries=9), runtime_on_out_of_memory="next")
    edited = {"runtime_on_out_of_memory": "next", "runtime": "x-large"}
    assert fail(ti := next_try(ti), **edited)[1] == "x-large"
    assert fail(ti := next_try(ti), **edited)[1] == "2x-large"
    assert fail(next_try(ti), runtime="x-large")[1] == "x-large", "without the argument"


def test_an_edit_is_not_undone(operator: Operator, server: LocalServer) -> None:
    (server.root / "jobs/memory.py").write_text(JOBS["memory"])
    given: dict[str, Any] = {"run_python": {"uri": "s3://jobs/memory.py"}, "retries": 9}
    tiny, medium = (
        operator(**given, runtime=runtime, runtime_on_out_of_memory="next") for runtime in ("tiny", "medium")
    )
    ti = TaskInstance(max_tries=9)
    deferred = deferral_of(tiny, ti)
    with pytest.raises(WherobotsRunFailedException, match="A retry gets runtime medium; this run had tiny"):
        resume(medium, ti, deferred, follow(deferred))
    deferral_of(medium, again := next_try(ti))
    assert medium.hook.get_run(again.xcoms["run_id"]).payload["runtime"] == "medium"


def test_an_unknown_default_has_no_next_but_a_list_has_a_first(fail: Fail) -> None:
    text, _ = fail(ti := TaskInstance(max_tries=9), runtime=None, runtime_on_out_of_memory="next")
    assert "A retry keeps runtime (the default): runtime_on_out_of_memory='next' has none after it" in text
    text, _ = fail(ti := next_try(ti), runtime=None, runtime_on_out_of_memory="large")
    assert "A retry gets runtime large instead of the default" in text
    assert fail(next_try(ti), runtime=None, runtime_on_out_of_memory="large")[1] == "large"
