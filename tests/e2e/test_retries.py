"""What is retried is the user's choice: by an argument on every Airflow, by a retry policy from 3.3 on."""

import pytest

from dev.environments import Environment
from tests.e2e.world import Case, World

pytestmark = pytest.mark.e2e


def has_policies(airflow: Environment) -> bool:
    return tuple(map(int, airflow.line.split("."))) >= (3, 3)


@pytest.fixture(scope="module")
def cases(world: World, airflow_environment: Environment) -> dict[str, Case]:
    """Side by side: most of each case is waiting."""
    ways = ["retry_cancelled", *(["policy", "policy_says_no"] if has_policies(airflow_environment) else [])]
    return {way: world.case(way).begin() for way in ways}


@pytest.mark.parametrize("way", ["retry_cancelled", "policy"])
def test_a_run_cancelled_in_the_console_is_retried_where_the_user_says_so(
    airflow_environment: Environment, cases: dict[str, Case], way: str
) -> None:
    if way == "policy" and not has_policies(airflow_environment):
        pytest.skip("Airflow has retry policies from 3.3 on")
    case = cases[way].wait_until_followed("deferred")
    case.cancel()
    case.wait_for_statuses("CANCELLED", "RUNNING", timeout=120)
    case.release()
    case.end("success", try_number=2)
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    if way == "policy":
        assert "Retry policy decision" in case.log(1)


def test_the_ready_policy_does_not_retry_it(airflow_environment: Environment, cases: dict[str, Case]) -> None:
    if not has_policies(airflow_environment):
        pytest.skip("Airflow has retry policies from 3.3 on")
    case = cases["policy_says_no"].wait_until_followed("deferred")
    case.cancel()
    log = case.end("failed", try_number=1)
    assert "Retry policy decision" in log
    assert case.counts()[0] == 1
