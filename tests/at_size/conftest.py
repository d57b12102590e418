"""The options of these tests, a new stack for each module, and the results at the end.

These tests run only if this folder or one of its files is named, as ``make test-at-size`` does.
"""

import json
import os
import random
import signal
from collections.abc import Iterator

import pytest

from dev.demo import TimedOutput
from tests.at_size.size import Size
from tests.at_size.stack import Stack, running_stack
from tests.support.places import CHECKOUT

FOLDER = CHECKOUT / "build" / "at-size"
RESULTS: dict[str, dict[str, object]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("at size")
    group.addoption("--runs", type=int, default=500, help="runs at the same time (default: %(default)s)")
    group.addoption("--seconds", type=float, default=60, help="how long each run takes (default: %(default)s)")
    group.addoption("--soak-minutes", type=float, default=30, help="(default: %(default)s)")
    group.addoption("--soak-runs", type=int, default=1000, help="(default: %(default)s)")
    group.addoption("--sample", type=int, default=50, help="logs that are checked line by line (default: %(default)s)")
    cpus = os.cpu_count() or 1
    group.addoption(
        "--concurrency", type=int, default=cpus, help="tasks of each worker at a time (default: %(default)s)"
    )
    group.addoption("--seed", type=int, help="for all random choices (default: a random one, which is printed)")


def pytest_configure(config: pytest.Config) -> None:
    # As Ctrl-C: the servers are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    given = request.config.getoption
    seed = given("--seed")
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"\nSeed: {seed}; for the same choices again: --seed {seed}", flush=True)
    return Size(
        runs=given("--runs"),
        seconds=given("--seconds"),
        soak_minutes=given("--soak-minutes"),
        soak_runs=given("--soak-runs"),
        sample=given("--sample"),
        concurrency=given("--concurrency"),
        seed=seed,
    )


@pytest.fixture(scope="session")
def report() -> TimedOutput:
    print(flush=True)
    return TimedOutput()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, size: Size, report: TimedOutput) -> Iterator[Stack]:
    """A new stack for each module. If the module sets ``OWN_DISKS``, its logs are in S3."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    own_disks = getattr(request.module, "OWN_DISKS", False)
    report(f"--- {name} ---")
    with running_stack(FOLDER / name, report, concurrency=size.concurrency, own_disks=own_disks) as running:
        RESULTS[name] = running.results
        running.result("seed", size.seed)
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not RESULTS:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.json").write_text(json.dumps(RESULTS, indent=2, default=str))
    terminalreporter.section("at size")
    for name, results in RESULTS.items():
        terminalreporter.write_line(name)
        for key, value in results.items():
            terminalreporter.write_line(f"  {key}: {value}")
    terminalreporter.write_line(f"Results and every component's output: {FOLDER.relative_to(CHECKOUT)}")
