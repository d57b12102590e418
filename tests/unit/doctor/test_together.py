from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.errors import NotSentError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.doctor.together import together
from airflow_provider_wherobots.flows.effects import Flow, Sleep, attempt, now
from tests.unit.flows.script import START, Script, always


def ticking(seen: list[tuple[str, float]], name: str, pause: float, times: int) -> Flow[None]:
    for _ in range(times):
        seen.append((name, round((yield from now()) - START, 3)))
        yield Sleep(pause)


def test_flows_take_turns_while_others_sleep() -> None:
    seen: list[tuple[str, float]] = []
    script = Script(always(None))
    script.run(together([ticking(seen, "a", 2.0, 3), ticking(seen, "b", 3.0, 2)]))
    assert seen == [("a", 0.0), ("b", 0.0), ("a", 2.0), ("b", 3.0), ("a", 4.0)]
    assert script.elapsed == pytest.approx(6.0)


def test_no_flows_and_one_that_yields_nothing() -> None:
    def nothing() -> Flow[None]:
        return
        yield

    assert Script(always(None)).run(together([])) is None
    assert Script(always(None)).run(together([nothing()])) is None


def test_a_flow_may_handle_its_own_errors() -> None:
    seen: list[tuple[str, float]] = []

    def careful() -> Flow[None]:
        try:
            yield from attempt(calls.get_run("a0run"))
        except WherobotsApiError:
            seen.append(("failed", 0.0))
        yield from ticking(seen, "after", 1.0, 1)

    Script(always(NotSentError("getJobRun", "refused"))).run(together([careful(), ticking(seen, "b", 1.0, 1)]))
    assert [name for name, _ in seen] == ["failed", "after", "b"]


def test_an_error_ends_them_all_and_closes_the_others() -> None:
    closed = []

    def other() -> Flow[None]:
        try:
            while True:
                yield Sleep(1.0)
        finally:
            closed.append(True)

    def failing() -> Flow[None]:
        yield Sleep(5.0)
        yield from attempt(calls.get_run("a0run"))

    with pytest.raises(NotSentError):
        Script(always(NotSentError("getJobRun", "refused"))).run(together([other(), failing()]))
    assert closed == [True]
