"""The fake service and the fake log of the unit tests answer as the local server does, in all that clients read.

Two programs stand in for one service: the fakes, pure and on a virtual clock, for the flows; the local server for
everything above. The same calls go to both, and what the provider's own models and errors make of the answers is
compared. What only the fakes can do is no contract: replicas that lag behind, pages that name no next one, a name
filter that matches substrings.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call, Response, read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import ResponseError, ResponseLostError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, LogPage, Run, RunMetrics, RunPage
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from local_server.tests.support import behaviour
from tests.support.waiting import wait_for
from tests.unit.flows.fake_log import T0, Boundary, CaughtUp, CursorMode, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService, Fault
from tests.unit.flows.script import Hang
from wherobots_local import ControlClient, LocalServer
from wherobots_local.api.queries import LogsQuery, parse_query
from wherobots_local.runs.log import RunLog
from wherobots_local.views.runs import log_page

T = TypeVar("T")

BEHAVIOUR_OF_MODE: Mapping[CursorMode, str] = {
    "nanoseconds": "nanoseconds",
    "int": "nanoseconds-int",
    "offset": "offset",
    "opaque": "opaque",
}


class World(Protocol):
    """A service that the story is told to."""

    def call(self, call: Call[T]) -> T:
        """Send a call once."""

    def change(self, run_id: str, status: str | None = None, /, **app: str) -> None:
        """Let a run come to a status; ``app`` changes its application."""

    def write(self, run_id: str, timestamp: int, text: str) -> None:
        """Let a run write a line."""

    def fail_next(self, fault: Fault) -> None:
        """Let a fault befall the next create."""


class FakeWorld:
    def __init__(self) -> None:
        self.service = FakeService(plan=((0.0, "PENDING"),))
        self.now = 1_750_000_000.0

    def call(self, call: Call[T]) -> T:
        self.now += 1
        try:
            answer: T = self.service(call, self.now)
        except Hang:
            raise ResponseLostError(call.operation, "timed out") from None
        return answer

    def change(self, run_id: str, status: str | None = None, /, **app: str) -> None:
        self.now += 1
        run = self._run(run_id)
        if status is not None:
            run.plan += ((self.now - run.created_at, status),)
        run.app_status = app.get("status", run.app_status)
        run.app_message = app.get("message", run.app_message)
        if "spark_ui_url" in app:
            run.spark_ui = ((0.0, app["spark_ui_url"]),)
        run.metrics = {"COST_USD": 0.0, "CONSUMED_SPATIAL_UNITS": 0.0}

    def write(self, run_id: str, timestamp: int, text: str) -> None:
        self._run(run_id).log.lines.append(FakeLine(0.0, timestamp, text))

    def fail_next(self, fault: Fault) -> None:
        self.service.fault("createJobRun", fault, retry_after="5.2" if fault is Fault.RATE_LIMITED else None)

    def _run(self, run_id: str) -> FakeRun:
        (run,) = [run for run in self.service.runs if run.id == run_id]
        return run


FAULTS: Mapping[Fault, dict[str, Any]] = {
    Fault.LOST_BEFORE_EFFECT: {"type": "reset"},
    Fault.LOST_AFTER_EFFECT: {"type": "lose_answer"},
    Fault.HANG_BEFORE_EFFECT: {"type": "hang"},
    Fault.HANG_AFTER_EFFECT: {"type": "slow", "seconds": 3},
    Fault.ERROR_500: {"type": "status", "status": 500},
    Fault.RATE_LIMITED: {"type": "status", "status": 429, "headers": {"Retry-After": "5.2"}},
    Fault.UNREADABLE: {"type": "html", "status": 200},
}
"""The faults that the local server has too."""


class LocalWorld:
    def __init__(self, transport: RequestsTransport, control: ControlClient) -> None:
        self.transport = transport
        self.control = control
        self.read_timeout = 60.0

    def call(self, call: Call[T]) -> T:
        sent: Call[Any] = call
        read_timeout, self.read_timeout = self.read_timeout, 60.0
        answer: T = read_response(sent, self.transport.send(sent, 5.0, read_timeout))
        return answer

    def change(self, run_id: str, status: str | None = None, /, **app: str) -> None:
        self.control.patch_run(run_id, **({"status": status} if status else {}), kubeApp=app)

    def write(self, run_id: str, timestamp: int, text: str) -> None:
        self.control.insert_logs(run_id, [{"timestamp": timestamp, "raw": text}])

    def fail_next(self, fault: Fault) -> None:
        self.control.add_fault("createJobRun", FAULTS[fault], times=1)
        if fault.manner == "hang":
            self.read_timeout = 1.0


@pytest.fixture
def local(tmp_path: Any) -> Iterator[LocalWorld]:
    """A server without a run yet, which behaves as the fakes do by default."""
    with LocalServer(tmp_path / "root") as server:
        control = server.control
        control.behaviour(synthetic_runs=True, cancel_delay_seconds=0, cancel_finished_status=409)
        control.behaviour(log_boundary="last", log_next_page_when_caught_up="null")
        transport = RequestsTransport(Endpoint(server.url, server.api_key))
        yield LocalWorld(transport, control)
        transport.close()


def payload(name: str) -> dict[str, Any]:
    return {"name": name, "runtime": "tiny", "runPython": {"uri": "s3://bucket/job.py", "args": ["a", "b"]}}


def seen(model: object) -> object:
    """What clients read of an answer; of moments and tokens, which differ by service, only whether there is one."""
    match model:
        case Run():
            times = (model.create_time, model.start_time, model.complete_time)
            states = (model.is_terminal, model.is_active, model.has_timed_out, model.kube_app.has_failed)
            echoed = {
                key: model.payload.get(key) for key in ("name", "runtime", "version", "timeoutSeconds", "runPython")
            }
            texts = (model.name, model.status, model.reason, model.kube_app.spark_ui_url)
            return texts, states, [time is not None for time in times], echoed
        case RunPage():
            return [run.name for run in model.items], model.next_page is not None
        case LogPage():
            return [(line.timestamp, line.raw) for line in model.items], model.current_page, model.next_page
        case RunMetrics():
            return dict(model.instant_metrics)
    return model


def outcome_of(world: World, call: Call[Any]) -> object:
    """What clients see of an answer or an error: of its classes, those on which they decide."""
    try:
        return seen(world.call(call))
    except WherobotsApiError as error:
        codes = [info.code for info in error.errors] if isinstance(error, ResponseError) else []
        return (
            type(error).__name__,
            error.transient,
            error.arrival,
            error.retry_after,
            codes if not error.transient else [],
        )


def pages(world: World, **query: Any) -> list[object]:
    """List Runs, page after page."""
    found, cursor = [], None
    while True:
        page = world.call(calls.list_runs(**query, cursor=cursor))
        found.append(seen(page))
        if page.next_page is None:
            return found
        cursor = page.next_page


def story_of_three_runs(world: World) -> Iterator[object]:
    """What happens to three runs from their creation to their ends, call by call."""

    def see(call: Call[Any]) -> object:
        return outcome_of(world, call)

    for unknown in (calls.get_run, calls.cancel_run, calls.get_run_logs, calls.get_run_metrics):
        yield see(unknown("nosuchrun"))
    yield pages(world)
    first, second, third = (
        world.call(calls.create_run(payload(f"{name}_run.x{name}"))) for name in ("one", "two", "six")
    )
    yield from map(seen, (first, second, third))
    for query in ({}, {"size": 2}, {"size": 1}, {"name": "one_run.xone"}, {"name": "*.xtwo"}, {"name": "six_*"}):
        yield pages(world, **query)
    yield pages(world, name="*.nobody", size=100)
    # The first succeeds.
    yield see(calls.get_run_logs(first.id))
    world.change(first.id, "RUNNING", status="READY", spark_ui_url="https://spark.example/1")
    yield see(calls.get_run(first.id))
    world.write(first.id, T0, "hello")
    yield see(calls.get_run_logs(first.id, size=10))
    world.change(first.id, "COMPLETED", status="DESTROYED")
    yield see(calls.get_run(first.id))
    yield see(calls.get_run_metrics(first.id))
    yield see(calls.cancel_run(first.id))
    yield see(calls.get_run(first.id))
    # The second is cancelled, twice.
    yield see(calls.cancel_run(second.id))
    wait_for(lambda: world.call(calls.get_run(second.id)).is_terminal, what="the cancel to take effect")
    yield see(calls.cancel_run(second.id))
    ended = world.call(calls.get_run(second.id))
    yield ended.status, ended.is_terminal, ended.is_active, ended.start_time, ended.complete_time is not None
    # The third comes up and is torn down before it starts.
    world.change(third.id, status="DESTROYING")
    yield see(calls.get_run(third.id))
    world.change(third.id, "FAILED", status="PREPARE_FAILED", message="no such package")
    yield see(calls.get_run(third.id))
    yield pages(world, size=2)


def test_three_runs_look_alike_from_their_creation_to_their_ends(local: LocalWorld) -> None:
    fake_story, local_story = list(story_of_three_runs(FakeWorld())), list(story_of_three_runs(local))
    for step, (fake_answer, local_answer) in enumerate(zip(fake_story, local_story, strict=True)):
        assert fake_answer == local_answer, f"step {step} of the story"


def test_the_moments_of_a_run_are_in_order_in_both(local: LocalWorld) -> None:
    for world in (FakeWorld(), local):
        run = world.call(calls.create_run(payload("a_run_with_times")))
        for status in ("RUNNING", "COMPLETED"):
            world.change(run.id, status)
        run = world.call(calls.get_run(run.id))
        assert run.create_time is not None
        assert run.start_time is not None
        assert run.complete_time is not None
        assert run.responded_at is not None
        assert run.create_time <= run.start_time <= run.complete_time
        # The header has whole seconds, and a busy server renews it late.
        assert (run.responded_at - run.complete_time).total_seconds() > -60.0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_create_that_goes_wrong_looks_alike_and_has_the_same_effect(fault: Fault, local: LocalWorld) -> None:
    def story(world: World) -> Iterator[object]:
        world.fail_next(fault)
        yield outcome_of(world, calls.create_run(payload("the_lost_run")))
        yield pages(world)
        yield outcome_of(world, calls.create_run(payload("the_next_run")))
        yield pages(world)

    assert list(story(FakeWorld())) == list(story(local))


@pytest.mark.parametrize("cursor", ["nonsense", "17"])
def test_a_made_up_opaque_cursor_is_refused_alike(cursor: str, local: LocalWorld) -> None:
    def story(world: World) -> object:
        run = world.call(calls.create_run(payload("a_run_with_a_log")))
        if isinstance(world, FakeWorld):
            world.service.runs[0].log.mode = "opaque"
        return outcome_of(world, calls.get_run_logs(run.id, cursor))

    local.control.behaviour(log_cursor="opaque")
    fake_error, local_error = story(FakeWorld()), story(local)
    # 422 and 400: the status and its code are left open by the published description, and clients read neither.
    assert fake_error[:4] == local_error[:4]  # type: ignore[index]


Reader = Callable[[str | int, int], LogPage]
WRITES = st.tuples(st.just("write"), st.integers(0, 6))
READS = st.tuples(st.just("read"), st.integers(1, 8))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(WRITES, WRITES, READS), max_size=60),
    st.sampled_from(list(BEHAVIOUR_OF_MODE)),
    st.sampled_from(["after", "last", "next"]),
    st.sampled_from(["end", "null", "absent", "equal"]),
    st.integers(1, 6),
)
def test_a_log_is_paged_alike_under_every_cursor(
    steps: list[tuple[str, int]], mode: CursorMode, boundary: Boundary, caught_up: CaughtUp, cap: int
) -> None:
    """Lines of equal and of earlier times are written between the reads, and both readers follow their own cursors."""
    fake = FakeLog([], mode, caught_up, cap, boundary=boundary)
    served = RunLog()
    style = behaviour(
        log_cursor=BEHAVIOUR_OF_MODE[mode],
        log_boundary=boundary,
        log_next_page_when_caught_up=caught_up,
        log_max_size=cap,
    )

    def read_fake(cursor: str | int, size: int) -> LogPage:
        call = calls.get_run_logs("run", cursor, size)
        return read_response(call, fake.answer(dict(call.params), 0.0))

    def read_served(cursor: str | int, size: int) -> LogPage:
        call = calls.get_run_logs("run", cursor, size)
        page = log_page(served.lines, parse_query(LogsQuery, list(call.params)), style, 0.0)
        return read_response(call, Response(200, {}, json.dumps(page).encode()))

    readers: list[Reader] = [read_fake, read_served]
    cursors: list[str | int] = [LOG_START_CURSOR, LOG_START_CURSOR]
    for number, (kind, value) in enumerate(steps):
        if kind == "write":
            fake.lines.append(FakeLine(0.0, T0 + value, f"line {number}"))
            served.insert(T0 + value, f"line {number}")
            continue
        ours, theirs = (read(cursor, value) for read, cursor in zip(readers, cursors, strict=True))
        assert ours.items == theirs.items
        if mode == "opaque":
            assert (ours.next_page is None) == (theirs.next_page is None)
            assert (ours.next_page == ours.current_page) == (theirs.next_page == theirs.current_page)
        else:
            assert (ours.current_page, ours.next_page) == (theirs.current_page, theirs.next_page)
        cursors = [
            cursor if page.next_page is None else page.next_page
            for cursor, page in zip(cursors, (ours, theirs), strict=True)
        ]
