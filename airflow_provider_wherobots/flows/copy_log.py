"""Copying the log of a run that has ended into the worker's part of the task log, for deployments that lose the
triggerer's part.
"""

from __future__ import annotations

import logging
import math

from airflow_provider_wherobots.flows.follow import DRAIN_SECONDS
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.messages import words

COPY_SECONDS = DRAIN_SECONDS
"""How long the log may be read, unless the task's deadline comes first."""
UNREADABLE_SECONDS = 60.0
"""How long a log that cannot be read for now is waited for."""


async def copy_log(io: Io, run_id: str, seconds: float) -> None:
    """Forward the log from its beginning, as far as it can be read within ``seconds``."""
    run = f"the log of run {words.short(run_id)}"
    await io.note(logging.INFO, f"Copying {run} (copy_log_on_resume). Airflow shows its lines at their own times")
    until = io.now() + seconds
    log = LogForwarder(run_id, deadline=until, max_outage_seconds=UNREADABLE_SECONDS)
    await log.drain(io, UNREADABLE_SECONDS, until, ended_ago=math.inf)
    if not log.has_unread_rest:
        await io.note(logging.INFO, f"Copied {run}")
