"""The doctor's runs against the switches of what the published description leaves open: what does it see?"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.doctor.questions import checks_of
from airflow_provider_wherobots.doctor.trial import Plan, Trial, end_runs, try_out
from airflow_provider_wherobots.drivers.base import Outlets
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.effects import Reloaded
from local_server.tests.support import KEY
from wherobots_local import LocalServer

QUICK = Plan("", "s3://bucket/job.py", timeout_seconds=2, late_seconds=12, list_seconds=8, poll_seconds=0.2)

CREATED = "Is a run created as requested?"
COMPLETED = "Does a run complete?"
CANCEL = "Does a cancel end a run?"
TIMEOUT = "How does a run end that exceeds timeout_seconds?"
LEAVES_OUT_PENDING = "Does timeout_seconds leave out the time PENDING?"
BY_NAME = "Can a retry find its run by name?"
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
            CREATED: "yes",
            COMPLETED: "yes",
            CANCEL: rf"CANCELLED after {SECONDS}",
            TIMEOUT: "TIMED_OUT",
            BY_NAME: "yes",
            TASK_LOG: "yes: 4,205",
            LATE: "wait_post_run_logs_timeout_seconds=",
        },
    ),
    "limits": (
        {"timeout_as": "FAILED", "start_delay_seconds": 4, "cancel_delay_seconds": 3},
        {},
        {
            COMPLETED: rf"after {SECONDS} in the status PENDING",
            TIMEOUT: "FAILED",
            LEAVES_OUT_PENDING: "yes: ",
        },
    ),
    "delays": (
        {"timeout_as": "CANCELLED", "log_delay_seconds": 2, "list_delay_seconds": 5},
        {"list_seconds": 60},
        {TIMEOUT: "CANCELLED", BY_NAME: rf"yes, {SECONDS} after", TASK_LOG: "yes", LATE: rf"came {SECONDS} after"},
    ),
}


def observe(server: LocalServer, plan: Plan) -> dict[str, Check]:
    """Do what the command does: the runs, their end, and the answers, by their questions."""
    trial = Trial(replace(plan, suffix=secrets.token_hex(6)))
    transport = RequestsTransport(Endpoint(server.url, KEY))
    outlets: Outlets[Reloaded, None] = Outlets(
        lambda level, text: None,
        lambda record: trial.forwarded.append((time.time(), record)),
        lambda: Reloaded(False, "the connection"),
    )
    try:
        driver = SyncDriver(transport, outlets)
        driver.run(try_out(trial))
        assert driver.run(end_runs(trial)) == []
    finally:
        transport.close()
    return {check.name: check for check in checks_of(trial)}


def observe_all(root: Path, cases: Cases) -> dict[str, dict[str, Check]]:
    """Observe a server for each case, all at the same time: a trial mostly waits."""
    script = Path(job.__file__).read_text()

    def observe_one(name: str) -> dict[str, Check]:
        switches, changes, _ = cases[name]
        bucket = root / name / "bucket"
        bucket.mkdir(parents=True)
        (bucket / "job.py").write_text(script)
        with LocalServer(bucket.parent, api_key=KEY, behaviour=switches) as server:
            return observe(server, replace(QUICK, **changes))

    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(observe_one, cases), strict=True))


def test_the_doctor_names_what_each_switch_changes(tmp_path: Path) -> None:
    for name, found in observe_all(tmp_path, READINGS).items():
        expected = READINGS[name][2]
        answers = {question: found[question].text for question in expected}
        wrong = {question: said for question, said in answers.items() if not re.search(expected[question], said)}
        assert wrong == {}, name
        assert [check for check in found.values() if check.state is State.DIFFERS] == [], name
