"""Checks of this installation that need no service: versions, and the triggerer."""

from __future__ import annotations

import platform
from typing import Any

from airflow_provider_wherobots import __version__
from airflow_provider_wherobots.doctor.check import Check, State

OLDEST_AIRFLOW, NEWEST_AIRFLOW = (2, 11), (3, 3)


def check_versions() -> Check:
    """Check that this package knows this Airflow."""
    from airflow import __version__ as airflow_version

    from airflow_provider_wherobots.compat import AIRFLOW

    name = "versions"
    text = (
        f"Provider {__version__}, Airflow {airflow_version}, Python {platform.python_version()}, {platform.system()}."
    )
    if AIRFLOW < OLDEST_AIRFLOW:
        return Check(name, State.FAILED, text, "upgrade Airflow to 2.11 or later")
    if AIRFLOW > NEWEST_AIRFLOW:
        return Check(name, State.WARNING, text, "this Airflow is newer than the provider: check for a newer provider")
    return Check(name, State.OK, text)


def check_triggerer() -> Check:
    """Check that a triggerer is alive, by Airflow's metadata database. A deferred task needs one."""
    name = "triggerer"
    try:
        alive = _alive_triggerers()
    except Exception as error:
        # Many machines that run tasks cannot read it, by design. The error's text would name its host and user.
        kind = type(error).__name__
        return Check(name, State.NOT_CHECKED, f"Airflow's metadata database cannot be read from here ({kind}).")
    if alive:
        return Check(name, State.OK, f"{alive} alive.")
    advice = "start one (airflow triggerer): without it deferred tasks wait forever"
    return Check(name, State.WARNING, "Airflow's metadata database shows no live triggerer.", advice)


def _alive_triggerers() -> int:
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        jobs: Any = session.scalars(select(Job).where(Job.job_type == "TriggererJob", Job.state == "running"))
        return sum(job.is_alive() for job in jobs)
