"""How often a log is requested does not depend on whether its end names a next page."""

import pytest

from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from tests.unit.flows.fake_log import T0, Boundary, CaughtUp, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Script, texts

SECONDS = 150.0


def calls_for(pause: float, boundary: Boundary, caught_up: CaughtUp) -> int:
    """Follow a run that writes a line after each pause; return how often its log was requested."""
    count = int(SECONDS / pause)
    lines = [FakeLine(n * pause, T0 + int(n * pause * 1e9), f"line {n}") for n in range(count)]
    service = FakeService(plan=((0.0, "PENDING"), (1.0, "RUNNING"), (SECONDS, "COMPLETED")))
    log = FakeLog(lines, caught_up=caught_up, boundary=boundary)
    run = service.add_run("some_name", START, log=log)
    script = Script(service)
    script.run(follow_run, FollowOptions(run.id, started_at=script.moment))
    assert texts(script.records) == [line.text for line in lines]
    return sum(sent.call.operation == "getJobRunLogs" for sent in script.sent)


@pytest.mark.parametrize("boundary", ["after", "last", "next"])
@pytest.mark.parametrize("pause", [0.02, 1.0, 30.0])
def test_a_log_is_not_chased_line_by_line(pause: float, boundary: Boundary) -> None:
    """Each request takes a while, and brings the lines written since: the next one would, too."""
    usual = calls_for(pause, boundary, "null") if boundary != "after" else calls_for(pause, "last", "null")
    assert calls_for(pause, boundary, "end") <= 1.5 * usual + 5
