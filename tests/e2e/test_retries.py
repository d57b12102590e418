"""What is retried is the user's choice: by an argument on every Airflow, by a retry policy from 3.3 on."""

from importlib.metadata import version

import pytest

from tests.e2e.world import World

HAS_POLICIES = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 3)


@pytest.mark.parametrize("way", ["retry_cancelled", *(["policy"] if HAS_POLICIES else [])])
def test_a_run_cancelled_in_the_console_is_retried_where_the_user_says_so(world: World, way: str) -> None:
    case = world.case(way).begin().wait_until_followed("deferred")
    case.cancel()
    case.wait_for_new_run("deferred")
    case.release()
    case.end("success", try_number=2)
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    if way == "policy":
        assert "Retry policy decision" in case.log(1)


if HAS_POLICIES:

    def test_the_ready_policy_does_not_retry_it(world: World) -> None:
        case = world.case("policy_says_no").begin().wait_until_followed("deferred")
        case.cancel()
        log = case.end("failed", try_number=1)
        assert "Retry policy decision" in log
        # The log that the API renders as text has no reasons.
        (file,) = world.airflow.home.glob(f"logs/dag_id={case.way}/run_id={case.dag_run}/task_id=run/attempt=1.log")
        reason = f"run {case.runs()[0]['id']}; 0 USD; The run was cancelled on the service's side"
        assert f'"reason":"CANCELLED; The run was cancelled; {reason}"' in file.read_text()
        assert len(case.runs()) == 1

    def test_a_job_that_is_out_of_memory_gets_the_next_runtime_and_after_a_clear_the_first_again(world: World) -> None:
        world.control.behaviour(runtime_memory_mib={"tiny": 256, "small": 1024})
        case = world.case("worker_memory").begin("allocates.py", 512)
        assert "536870912 bytes" in case.end("success", try_number=2)
        log = case.log(1)
        assert "MemoryError" in log
        assert "A retry gets runtime small instead of tiny" in log
        assert "Using runtime small, as earlier runs were out of memory on tiny" in case.log(2)
        assert case.xcom("run_summary")["runtime"] == "small"
        assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
        case.clear()
        case.end("success", try_number=4)
        assert [run["payload"]["runtime"] for run in case.runs()] == ["tiny", "small", "tiny", "small"]
