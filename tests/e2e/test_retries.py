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
        assert len(case.runs()) == 1
