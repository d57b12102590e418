"""Defaults for a whole deployment: the section ``[wherobots]`` of Airflow's configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from airflow_provider_wherobots.api.errors import InvalidArgumentError

SECTION = "wherobots"


# Compared by identity: each lookup hashes it.
@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """An option of the section. ``type`` is as Airflow names it, ``example`` a value that is not the default. A string
    is one of ``choices``.
    """

    name: str
    type: Literal["boolean", "float", "string"]
    default: bool | float | str
    example: str
    description: str
    choices: tuple[str, ...] = ()


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
    "The longest delay between two polls of a run, in seconds, if a task does not set polling_interval. The delay "
    "starts at 6 s, and grows by one for every two minutes of the run's age.",
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
    "task does not set max_quota_wait_seconds. 0 fails the try at once; it may be retried.",
)
WAIT_POST_RUN_LOGS = Option(
    "wait_post_run_logs_timeout_seconds",
    "float",
    60.0,
    "3",
    "How long a task waits for late lines of its run's log after the run's end, in seconds, if it does not set "
    "wait_post_run_logs_timeout_seconds. The wait ends after 7 s without a new line; a smaller value shortens that. "
    "The command doctor --run measures how late lines come.",
)
COPY_LOG_ON_RESUME = Option(
    "copy_log_on_resume",
    "string",
    "off",
    "tail",
    "Which part of a run's log the worker copies into the task log again when a deferred task resumes: off, tail (its "
    "last lines) or all. For deployments that lose the triggerer's part of a task log. The command doctor shows "
    "whether yours does.",
    choices=("off", "tail", "all"),
)
OPTIONS = (
    DEFAULT_DEFERRABLE,
    POLLING_INTERVAL,
    MAX_OUTAGE_SECONDS,
    MAX_QUOTA_WAIT_SECONDS,
    WAIT_POST_RUN_LOGS,
    COPY_LOG_ON_RESUME,
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
    """Read an option from Airflow's configuration: a bool, a float or a string. A value of another type is an
    ``AirflowConfigException``, a string that is not one of the choices an ``InvalidArgumentError``.
    """
    return _read(option, os.environ.get(f"AIRFLOW__{SECTION}__{option.name}".upper()))


# Four lookups took a quarter of the time that parsing a task takes. Airflow reads its configuration files once in a
# process, so only the environment can change a value.
@lru_cache(maxsize=64)
def _read(option: Option, environment: str | None) -> Any:
    from airflow_provider_wherobots.compat import conf

    read: Any = {"boolean": conf.getboolean, "float": conf.getfloat, "string": conf.get}[option.type]
    value = read(SECTION, option.name, fallback=option.default)
    if option.choices and value not in option.choices:
        *others, last = option.choices
        raise InvalidArgumentError(f"[{SECTION}] {option.name}={value!r}: must be {', '.join(others)} or {last}")
    return value
