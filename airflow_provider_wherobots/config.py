"""Defaults for a whole deployment: the section ``[wherobots]`` of Airflow's configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

SECTION = "wherobots"


# Compared by identity: each lookup hashes it.
@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """An option of the section. ``type`` is as Airflow names it, ``example`` a value that is not the default, ``least``
    the smallest number that is allowed.
    """

    name: str
    type: Literal["boolean", "float"]
    default: bool | float
    example: str
    description: str
    least: float = 0


DEFAULT_DEFERRABLE = Option(
    "default_deferrable",
    "boolean",
    True,
    "False",
    "Whether tasks of this provider (runs, SQL, sensors) wait in the triggerer, if a task does not set deferrable. Set "
    "it to False if no triggerer runs. [operators] default_deferrable is ignored, because its default, False, would "
    "hold a worker for the whole of every run.",
)
POLLING_INTERVAL = Option(
    "polling_interval",
    "float",
    30.0,
    "60",
    "The longest delay between two polls of a run, in seconds, 2 or more, if a task does not set polling_interval. The "
    "delay starts at 6 s, and grows by one for every two minutes that the attempt has followed the run. Each delay is "
    "up to 10 % longer at random.",
    # ``MIN_POLL_SECONDS`` of ``flows.follow``, which a DAG file does not import.
    2.0,
)
MAX_OUTAGE_SECONDS = Option(
    "max_outage_seconds",
    "float",
    600.0,
    "1800",
    "How long the Wherobots API may be unreachable before a task gives up, in seconds, if the task does not set "
    "max_outage_seconds. The run continues.",
)
MAX_QUOTA_WAIT_SECONDS = Option(
    "max_quota_wait_seconds",
    "float",
    3600.0,
    "14400",
    "How long a task waits while the organization's quota is used up (INSUFFICIENT_QUOTA_ERROR), in seconds, if the "
    "task does not set max_quota_wait_seconds. 0 fails the attempt at once; it may be retried.",
)
MAX_PENDING_SECONDS = Option(
    "max_pending_seconds",
    "float",
    0.0,
    "3600",
    "How long after its creation a run may be PENDING, in seconds, if its task does not set max_pending_seconds. Then "
    "the task cancels it and fails. 0 is no limit.",
)
WAIT_POST_RUN_LOGS = Option(
    "wait_post_run_logs_timeout_seconds",
    "float",
    60.0,
    "3",
    "How long a task waits for late lines of its run's log after the run's end, in seconds, if it does not set "
    "wait_post_run_logs_timeout_seconds. The wait ends sooner if the lines of the run show how late they come. "
    "The command doctor --run measures that, too.",
)
COPY_LOG_ON_RESUME = Option(
    "copy_log_on_resume",
    "boolean",
    False,
    "True",
    "Whether the worker copies a run's log into the task log again, from its beginning, when a deferred task resumes. "
    "For deployments that lose the triggerer's part of a task log. The command doctor shows whether yours does.",
)
TASK_PAGE = Option(
    "task_page",
    "boolean",
    True,
    "False",
    "Whether each task instance has the tab Wherobots in Airflow's UI (Airflow 3.1 and later). Restart the API server "
    "after a change.",
)
OPTIONS = (
    DEFAULT_DEFERRABLE,
    POLLING_INTERVAL,
    MAX_OUTAGE_SECONDS,
    MAX_QUOTA_WAIT_SECONDS,
    MAX_PENDING_SECONDS,
    WAIT_POST_RUN_LOGS,
    COPY_LOG_ON_RESUME,
    TASK_PAGE,
)


def provider_info() -> dict[str, Any]:
    """The section, as an entry of the provider info."""
    return {
        SECTION: {
            "description": "Defaults of the Wherobots provider. A task's arguments take precedence.",
            "options": {
                option.name: {
                    "description": f"{option.description}\n",
                    "version_added": "0.1.0",
                    "type": option.type,
                    "example": option.example,
                    "default": f"{option.default}",
                }
                for option in OPTIONS
            },
        }
    }


def configured(option: Option) -> Any:
    """Read an option from Airflow's configuration: a bool or a float. A value of another type is an
    ``AirflowConfigException``.
    """
    return _read(option, os.environ.get(f"AIRFLOW__{SECTION}__{option.name}".upper()))


# Four lookups took a quarter of the time that parsing a task takes. Airflow reads its configuration files once in a
# process, so only the environment can change a value.
@lru_cache(maxsize=64)
def _read(option: Option, environment: str | None) -> Any:
    from airflow_provider_wherobots.compat import conf

    read: Any = {"boolean": conf.getboolean, "float": conf.getfloat}[option.type]
    return read(SECTION, option.name, fallback=option.default)
