"""The doctor's runs against every switch of what the published description leaves open: which reading does it see?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.cli.recording import RecordingTransport
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.list_findings import list_findings
from airflow_provider_wherobots.doctor.log_findings import log_findings
from airflow_provider_wherobots.doctor.run_findings import run_findings
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import Plan, Trial, end_runs, try_out
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict
from airflow_provider_wherobots.drivers.base import Outlets
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.effects import Reloaded
from local_server.tests.support import KEY
from wherobots_local import LocalServer
from wherobots_local.control.behaviour import Behaviour

QUICK = Plan("", "s3://bucket/job.py", timeout_seconds=2, late_seconds=12, list_seconds=8, poll_seconds=0.2)

CREATED = "How is a create answered?"
KEPT = "Does the service keep what was sent?"
STATUSES = "Which statuses does a run have, and when?"
APPLICATION = "What does kubeApp.status show, and when?"
CANCEL = "How long does a cancel take, and what is the run then?"
TORN_DOWN = "How long is a cancelled run torn down after its end?"
CANCEL_OF_ENDED = "How is the cancel of a run that has ended answered?"
TIMEOUT = "What is a run that exceeds timeoutSeconds?"
TIMEOUT_COUNTS = "Does timeoutSeconds count the time PENDING?"
COST = "When is the cost of a run known?"
LISTED = "How soon does List Runs show a new run?"
SUFFIX = "Does the name filter *-suffix find the runs of a suffix, and no others?"
NAME = "Does a name without * match the whole name, or a part of it?"
ORDER = "In which order does List Runs show runs?"
CURSOR = "What is a log cursor, and where does the next page begin?"
TYPES = "Are cursors and times of a log text or numbers?"
LAST_PAGE = "What is next_page on the last page?"
SIZE = "How many lines may be requested at once?"
TASK_LOG = "Does the task log get every line once, in order?"
LATE = "How long after the end of a run do lines come?"
TIMES = "What is the time of a line: its unit, its resolution, its clock?"

# How many depends on how busy the machine is.
SECONDS = r"\d+\.\d s"

Cases: TypeAlias = Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]]
"""By name: switches, what is changed in the plan, and what is searched in the answers."""

READINGS: Cases = {
    "defaults": (
        {},
        {},
        {
            CREATED: "201",
            KEPT: r"yes \(region",
            STATUSES: "COMPLETED",
            CANCEL: "200; CANCELLED after",
            CANCEL_OF_ENDED: "200",
            TIMEOUT: "TIMED_OUT",
            COST: "at once",
            LISTED: "at once",
            SUFFIX: "yes",
            NAME: "the whole name",
            ORDER: "newest first",
            CURSOR: "a time: that of the page's last line; the next page begins after it",
            TYPES: "next_page: text; current_page: text; timestamp: text",
            LAST_PAGE: "a place as if there were more lines",
            SIZE: "a page of 5,000 is cut to 1,000",
            TASK_LOG: "yes: 4,205",
            TIMES: "nanoseconds; a multiple of 1 ns; no two lines share one",
        },
    ),
    "inclusive": (
        {
            "log_boundary": "last",
            "log_next_page_when_caught_up": "null",
            "list_order": "oldest",
            "name_filter": "substring",
            "create_status": 200,
            "cancel_finished_status": 409,
            "timeout_as": "FAILED",
            "max_timeout_seconds": 100,
        },
        {},
        {
            CURSOR: r"that of the page.s last line; the next page begins with lines of this page again \(1 of 5\)",
            LAST_PAGE: "null",
            ORDER: "oldest first",
            NAME: "a part of it",
            CREATED: "200",
            CANCEL_OF_ENDED: "409",
            TIMEOUT: "FAILED, with the event RUN_FAIL_EXEC",
            KEPT: "timeoutSeconds: 900 became 100",
        },
    ),
    "integers": (
        {
            "log_cursor": "nanoseconds-int",
            "log_boundary": "next",
            "log_next_page_when_caught_up": "equal",
            "log_max_size": 6_000,
            "list_order": "none",
            "timeout_as": "CANCELLED",
            "cost_delay_seconds": 3_600,
        },
        {},
        {
            CURSOR: "a time: that of the next page's first line; the next page begins with that line",
            TYPES: "next_page: whole number; current_page: whole number; timestamp: whole number",
            LAST_PAGE: "equal to the cursor that was sent",
            SIZE: "are sent at once, the whole log",
            ORDER: "by no time",
            TIMEOUT: "CANCELLED",
            COST: "not within",
        },
    ),
    "offsets": (
        {
            "log_cursor": "offset",
            "log_next_page_when_caught_up": "absent",
            "log_max_size": 500,
            "log_oversize": "refused",
            "start_delay_seconds": 4,
            "kube_app_null_seconds": 3,
            "cancel_delay_seconds": 3,
            "destroy_seconds": 4,
        },
        {},
        {
            CURSOR: "a number of lines; the next page begins after it",
            LAST_PAGE: "absent",
            SIZE: "1,000 are refused; 500 are sent",
            STATUSES: rf"PENDING for {SECONDS}",
            APPLICATION: rf"null kubeApp at {SECONDS}, ",
            CANCEL: rf"200; CANCELLED after {SECONDS}",
            TORN_DOWN: rf"DESTROYING at {SECONDS}, DESTROYED at {SECONDS}",
            TIMEOUT_COUNTS: "no: ",
        },
    ),
    "tokens": (
        {
            "log_cursor": "opaque",
            "log_delay_seconds": 2,
            "list_delay_seconds": 3,
            "start_delay_seconds": 3,
            "timeout_counts_pending": True,
        },
        {"timeout_seconds": 5},
        {
            CURSOR: "a token without a visible meaning; the next page begins after it",
            LATE: rf"a line appeared about {SECONDS}",
            LISTED: rf"after {SECONDS}",
            TIMEOUT_COUNTS: "yes: ",
        },
    ),
    "coarse times": (
        {
            "log_boundary": "last",
            "log_timestamp_resolution_ns": 500_000_000,
            "log_max_size": 5_000,
            "start_delay_seconds": 3,
            "timeout_counts_pending": True,
        },
        {},
        {
            CURSOR: "a time: that of the page's last line; the next page begins with lines of this page again",
            TIMES: "nanoseconds; a multiple of 500,000,000 ns; up to",
            TIMEOUT_COUNTS: "before it ran",
        },
    ),
}

SHOWN = {
    "log_cursor": {"nanoseconds", "nanoseconds-int", "offset", "opaque"},
    "log_boundary": {"after", "last", "next"},
    "log_next_page_when_caught_up": {"end", "null", "equal", "absent"},
    "log_oversize": {"cut", "refused"},
    "list_order": {"newest", "oldest", "none"},
    "name_filter": {"exact", "substring"},
    "cancel_finished_status": {200, 409},
    "timeout_as": {"TIMED_OUT", "FAILED", "CANCELLED"},
    "timeout_counts_pending": {False, True},
    "create_status": {201, 200},
}


@dataclass(frozen=True)
class Observed:
    """What came of a trial.

    :param found: the findings, by their questions.
    :param trial: the runs.
    :param cancelled: ids of the runs that were cancelled.
    """

    found: dict[str, Finding]
    trial: Trial
    cancelled: set[str]


def observe(server: LocalServer, plan: Plan = QUICK) -> tuple[dict[str, Finding], Trial]:
    """Do what the command does: the runs, their end, and what their answers mean."""
    trial, exchanges = Trial(replace(plan, suffix=secrets.token_hex(6))), list[Exchange]()
    transport = RecordingTransport(Endpoint(server.url, KEY), exchanges)
    outlets: Outlets[Reloaded, None] = Outlets(
        lambda level, text: None, lambda record: None, lambda: Reloaded(False, "the connection")
    )
    try:
        driver = SyncDriver(transport, outlets)
        driver.run(try_out(trial))
        assert driver.run(end_runs(trial)) == []
    finally:
        transport.close()
    transcript = Transcript(exchanges)
    made = (find(transcript, trial) for find in (run_findings, list_findings, log_findings))
    return {finding.question: finding for findings in made for finding in findings}, trial


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


def test_the_doctor_passes_and_names_the_reading_of_every_switch(tmp_path: Path) -> None:
    for name, seen in observe_all(tmp_path, READINGS).items():
        expected = READINGS[name][2]
        answers = {question: seen.found[question].answer for question in expected}
        wrong = {question: said for question, said in answers.items() if not re.search(expected[question], said)}
        assert wrong == {}, name
        assert [finding for finding in seen.found.values() if finding.verdict is Verdict.DIFFERS] == [], name


def test_every_value_of_every_switch_is_among_the_readings() -> None:
    """A new switch for runs, or a new value of one, needs a question of the doctor's. It asks nothing about SQL."""
    defaults = {switch: value for switch, value in Behaviour().model_dump().items() if not switch.startswith("sql_")}
    switched = {switch for switches, _, _ in READINGS.values() for switch in switches}
    assert switched | {"synthetic_runs"} == set(defaults)
    for switch, values in SHOWN.items():
        seen = {switches.get(switch, defaults[switch]) for switches, _, _ in READINGS.values()}
        assert seen == values, switch


FAILURES: Cases = {
    "a cancel without effect": (
        {"cancel_delay_seconds": 3_600},
        {"max_seconds": 9},
        {CANCEL: "the run was still RUNNING"},
    ),
    "runs that are not listed": (
        {"list_delay_seconds": 3_600},
        {},
        {LISTED: "not within 8 s", SUFFIX: "3 of 3 runs are missing"},
    ),
    "lines after the log has been quiet for long": (
        {"log_delay_seconds": 13},
        {"late_seconds": 30},
        {TASK_LOG: "of which came too late"},
    ),
    "a log that cannot be read": (
        {"log_max_size": 50, "log_oversize": "refused"},
        {},
        {SIZE: "100 are refused", TASK_LOG: "4200 of 4200 lines of standard output are missing"},
    ),
    "a run that never starts": ({"synthetic_runs": True}, {"max_seconds": 3}, {STATUSES: "it did not end in time"}),
}


def test_what_the_provider_cannot_handle_fails(tmp_path: Path) -> None:
    for name, seen in observe_all(tmp_path, FAILURES).items():
        # Whatever was seen, no run is left to itself.
        ids = seen.trial.ids
        assert set(ids.values()) - seen.cancelled <= {ids[role] for role in seen.trial.ended}, name
        for question, part in FAILURES[name][2].items():
            assert part in seen.found[question].answer, (name, seen.found[question])
            assert seen.found[question].verdict is Verdict.DIFFERS, (name, seen.found[question])
