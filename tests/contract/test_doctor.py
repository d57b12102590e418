"""The doctor's runs against every switch of what the published description leaves open: which reading does it see?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.doctor import job, read_runs
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.doctor.questions import checks_of
from airflow_provider_wherobots.doctor.trial import Plan, Trial, end_runs, try_out
from airflow_provider_wherobots.drivers.base import Outlets
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.effects import Reloaded
from local_server.tests.support import KEY
from wherobots_local import LocalServer
from wherobots_local.control.behaviour import Behaviour

QUICK = Plan("", "s3://bucket/job.py", timeout_seconds=2, late_seconds=12, list_seconds=8, poll_seconds=0.2)

CREATED = "Is a run created as requested?"
COMPLETED = "Does a run complete?"
CANCEL = "Does a cancel end a run?"
TIMEOUT = "How does a run end that exceeds timeout_seconds?"
LEAVES_OUT_PENDING = "Does timeout_seconds leave out the time PENDING?"
COST = "Is the cost known when a run ends?"
LISTED = "How soon does List Runs show a new run?"
SUFFIX = "Can a retry find its run by name?"
CURSOR = "Where does the next page of a log begin?"
SIZE = "How many lines does a page of a log have?"
TASK_LOG = "Does the task log get every line once, in order?"
LATE = "How long after the end of a run do lines come?"

# How many depends on how busy the machine is.
SECONDS = r"\d+\.\d s"

Cases: TypeAlias = Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]]
"""By name: switches, what is changed in the plan, and what is searched in the answers."""

READINGS: Cases = {
    "defaults": (
        {},
        {},
        {
            CREATED: r"yes \(region",
            COMPLETED: "COMPLETED",
            CANCEL: rf"CANCELLED after {SECONDS}",
            TIMEOUT: "TIMED_OUT",
            COST: "yes",
            LISTED: "at once",
            SUFFIX: "yes",
            CURSOR: "page's last line, as text; the next page begins after it; on the last page it is as if there were",
            SIZE: "a page of 5,000 is cut to 1,000",
            TASK_LOG: "yes: 4,205",
        },
    ),
    "inclusive": (
        {
            "log_boundary": "last",
            "log_next_page_when_caught_up": "null",
            "name_filter": "substring",
            "cancel_finished_status": 409,
            "timeout_as": "FAILED",
        },
        {},
        {
            CURSOR: r"last line, as text; the next page begins with .* this page again \(1 of 5\);.* null or absent",
            TIMEOUT: "FAILED, with the event RUN_FAIL_EXEC",
        },
    ),
    "integers": (
        {
            "log_cursor": "nanoseconds-int",
            "log_boundary": "next",
            "log_next_page_when_caught_up": "equal",
            "log_max_size": 6_000,
            "timeout_as": "CANCELLED",
        },
        {},
        {
            CURSOR: "next page's first line, as a whole number; the next page begins with that line;.* stays the same",
            SIZE: "are sent at once",
            TIMEOUT: "CANCELLED",
        },
    ),
    "offsets": (
        {
            "log_cursor": "offset",
            "log_next_page_when_caught_up": "absent",
            "log_max_size": 500,
            "log_oversize": "refused",
            "start_delay_seconds": 4,
            "cancel_delay_seconds": 3,
        },
        {},
        {
            CURSOR: "a number of lines, as text; the next page begins after it; on the last page it is null or absent",
            SIZE: "1,000 are refused; 500 are sent",
            COMPLETED: rf"PENDING for {SECONDS}",
            CANCEL: rf"CANCELLED after {SECONDS}",
            LEAVES_OUT_PENDING: "yes: ",
        },
    ),
    "tokens": (
        {
            "log_cursor": "opaque",
            "log_delay_seconds": 2,
            "list_delay_seconds": 10,
        },
        {"list_seconds": 60},
        {
            CURSOR: "a token without a visible meaning, as text; the next page begins after it",
            LATE: rf"the last line was there {SECONDS}",
            LISTED: rf"after {SECONDS}",
        },
    ),
    "coarse times": (
        {
            "log_boundary": "last",
            "log_max_size": 5_000,
            "start_delay_seconds": 3,
        },
        {},
        {
            CURSOR: "that of the page's last line, as text; the next page begins with lines of this page again",
        },
    ),
}

PASSES = {
    "log_cursor": {"nanoseconds", "nanoseconds-int", "offset", "opaque"},
    "log_boundary": {"after", "last", "next"},
    "log_next_page_when_caught_up": {"end", "null", "equal", "absent"},
    "log_oversize": {"cut", "refused"},
    "name_filter": {"exact", "substring"},
    "cancel_finished_status": {200, 409},
    "timeout_as": {"TIMED_OUT", "FAILED", "CANCELLED"},
}


@dataclass(frozen=True)
class Observed:
    """What came of a trial: the answers by their questions, the runs, and the ids of those that were cancelled."""

    found: dict[str, Check]
    trial: Trial
    cancelled: set[str]


def observe(server: LocalServer, plan: Plan = QUICK) -> tuple[dict[str, Check], Trial]:
    """Do what the command does: the runs, their end, and the answers."""
    trial = Trial(replace(plan, suffix=secrets.token_hex(6)))
    transport = RequestsTransport(Endpoint(server.url, KEY))
    outlets: Outlets[Reloaded, None] = Outlets(
        lambda level, text: None, lambda record: None, lambda: Reloaded(False, "the connection")
    )
    try:
        driver = SyncDriver(transport, outlets)
        driver.run(try_out(trial))
        assert driver.run(end_runs(trial)) == []
    finally:
        transport.close()
    return {check.name: check for check in checks_of(trial)}, trial


def observe_all(root: Path, cases: Cases) -> dict[str, Observed]:
    """Observe a server for each case, all at the same time: a trial mostly waits."""
    script = Path(job.__file__).read_text()

    def observe_one(name: str) -> Observed:
        switches, changes, _ = cases[name]
        bucket = root / name / "bucket"
        bucket.mkdir(parents=True)
        (bucket / "job.py").write_text(script)
        with LocalServer(bucket.parent, api_key=KEY, behaviour=switches) as server:
            found, trial = observe(server, replace(QUICK, **changes))
            return Observed(found, trial, {request["run_id"] for request in server.control.requests("cancelJobRun")})

    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(observe_one, cases), strict=True))


def test_the_doctor_passes_and_names_the_reading_of_every_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a run may show later than a look-up waits for it.
    monkeypatch.setattr(read_runs, "LOOK_UP_DELAYS", (600.0,))
    for name, seen in observe_all(tmp_path, READINGS).items():
        expected = READINGS[name][2]
        answers = {question: seen.found[question].text for question in expected}
        wrong = {question: said for question, said in answers.items() if not re.search(expected[question], said)}
        assert wrong == {}, name
        assert [check for check in seen.found.values() if check.state is State.DIFFERS] == [], name


def test_every_value_of_every_switch_is_among_the_readings() -> None:
    """The doctor passes with every value of a switch that the provider supports. It asks nothing about SQL."""
    defaults = {switch: value for switch, value in Behaviour().model_dump().items() if not switch.startswith("sql_")}
    switched = {switch for switches, _, _ in READINGS.values() for switch in switches}
    assert switched | {"synthetic_runs"} == set(defaults)
    for switch, values in PASSES.items():
        seen = {switches.get(switch, defaults[switch]) for switches, _, _ in READINGS.values()}
        assert seen == values, switch


FAILURES: Cases = {
    "a cancel without effect": (
        {"cancel_delay_seconds": 3_600},
        {"max_seconds": 20},
        {CANCEL: "the run was still RUNNING"},
    ),
    "runs that are not listed": (
        {"list_delay_seconds": 3_600},
        {},
        {LISTED: "not within 8 s", SUFFIX: "3 of 3 runs are missing"},
    ),
    "lines after the log has been quiet for long": (
        {"log_delay_seconds": 20},
        {"late_seconds": 40},
        {TASK_LOG: "of which came too late"},
    ),
    "a log that cannot be read": (
        {"log_max_size": 50, "log_oversize": "refused"},
        {},
        {SIZE: "100 are refused", TASK_LOG: "4200 of 4200 lines of standard output are missing"},
    ),
    "a run that never starts": ({"synthetic_runs": True}, {"max_seconds": 3}, {COMPLETED: "it did not end in time"}),
}


def test_what_the_provider_cannot_handle_fails(tmp_path: Path) -> None:
    for name, seen in observe_all(tmp_path, FAILURES).items():
        # Whatever was seen, no run is left to itself.
        ids = seen.trial.ids
        assert set(ids.values()) - seen.cancelled <= {ids[role] for role in seen.trial.ended}, name
        for question, part in FAILURES[name][2].items():
            assert part in seen.found[question].text, (name, seen.found[question])
            assert seen.found[question].state is State.DIFFERS, (name, seen.found[question])
