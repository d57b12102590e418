"""A clock that a change of the wall clock does not move."""

from __future__ import annotations

import pytest

from airflow_provider_wherobots.flows.effects import Flow, Sleep
from airflow_provider_wherobots.flows.sql.steady import SteadyClock
from tests.unit.flows.sql.fake_session import SqlScript


@pytest.mark.parametrize(("jump", "longest", "counted"), [(0, 0, 5), (-60, 0, 0), (60, 0, 10), (60, 5, 15)])
def test_it_counts_what_the_steps_may_have_taken_and_ten_seconds(jump: float, longest: float, counted: float) -> None:
    clock = SteadyClock()

    def steps() -> Flow[None]:
        yield from clock.read()
        yield Sleep(5.0)
        yield from clock.read(longest) if longest else clock.read()

    SqlScript(jumps=[(3.0, jump)]).run(steps())
    assert clock.seconds == counted
