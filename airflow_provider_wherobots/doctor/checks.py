"""The doctor's checks: the API key, the organization, storage, and the logs of triggers.

A trigger writes its part of the log on the triggerer. A log handler must store it when the trigger ends, and read it
back next to the worker's part. Source: ``upload`` and ``read`` of the handlers of Airflow's providers in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import NotFoundError, PermissionDeniedError, WherobotsApiError
from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES
from airflow_provider_wherobots.flows.probe import probe
from airflow_provider_wherobots.io.base import Io


class State(StrEnum):
    """How a check ended; its value is shown. The last three are for questions about the service."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"

    ASSUMED = "works as assumed"
    HANDLED = "differs, and is handled"
    DIFFERS = "differs: please report it"


Reading: TypeAlias = tuple[str, State]
"""A check's text and its state."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the installation, or a question about the service, with its result."""

    name: str
    state: State
    text: str
    advice: str = ""


def has_failed(checks: Iterable[Check]) -> bool:
    """Whether the installation or this package must be changed."""
    return any(check.state in (State.FAILED, State.DIFFERS) for check in checks)


T = TypeVar("T")

CALL_SECONDS = 15.0


async def check_service(io: Io, settings: Settings) -> list[Check]:
    """Make the calls, and judge their responses. If the API key cannot list runs, nothing else is requested."""
    accepted, text = await probe(io)
    if not accepted:
        return [Check("API key", State.FAILED, f"{text}.", "check the connection's host and API key, and the proxy")]
    organization = await _get(io, "getMyOrganization", "/organization", dict)
    storage = await _get(io, "listIntegration", "/storage", list)
    return [
        Check("API key", State.OK, f"{text}."),
        check_region(settings.region, organization),
        check_runtime(settings.runtime, organization),
        check_storage(storage),
    ]


def check_region(region: str | None, organization: dict[str, Any] | WherobotsApiError) -> Check:
    """Compare the connection's region with those that the organization may use."""
    name = "region"
    if isinstance(organization, WherobotsApiError):
        return Check(name, State.NOT_CHECKED, f"The service does not show the organization ({organization}).")
    allowed = [str(value) for value in organization.get("allowedRegions") or []]
    default = organization.get("defaultRegion")
    if region is None and default:
        return Check(name, State.OK, f"The connection sets none; the organization's default is {default}.")
    if region is None:
        text = "Neither the connection nor the organization sets one."
        return Check(name, State.WARNING, text, "set region in the connection or in each task")
    if not allowed or region in allowed:
        return Check(name, State.OK, f"{region} is allowed.")
    return Check(name, State.FAILED, f"{region!r} is not allowed.", f"use one of {', '.join(allowed)}")


def check_runtime(runtime: str | None, organization: dict[str, Any] | WherobotsApiError) -> Check:
    """Compare the connection's runtime with the published ones."""
    name = "runtime"
    default = None if isinstance(organization, WherobotsApiError) else organization.get("defaultRuntime")
    if runtime is None:
        text = f"The connection sets none; the organization's default is {default or 'unknown'}."
        return Check(name, State.OK if default else State.NOT_CHECKED, text)
    if runtime in RUNTIMES or runtime == default:
        return Check(name, State.OK, f"{runtime} is a published one.")
    advice = "check its spelling; the service may still accept it"
    return Check(name, State.WARNING, f"{runtime!r} is not a published one.", advice)


def check_storage(storage: list[Any] | WherobotsApiError) -> Check:
    """Whether scripts can be uploaded."""
    name, advice = "storage", "scripts next to the DAG cannot be uploaded: put them into S3, and give s3:// addresses"
    if isinstance(storage, WherobotsApiError):
        is_denied = isinstance(storage, PermissionDeniedError | NotFoundError)
        text = f"The service does not show the storage ({storage})."
        return Check(name, State.WARNING, text, advice) if is_denied else Check(name, State.NOT_CHECKED, text)
    sources = [source for source in storage if isinstance(source, dict)]
    writable = [source for source in sources if not source.get("readOnly")]
    text = f"The key sees {words.counted(len(sources), 'storage source')}, and can write to {len(writable)}."
    return Check(name, State.OK, text) if writable else Check(name, State.WARNING, text, advice)


async def _get(io: Io, operation: str, path: str, kind: type[T]) -> T | WherobotsApiError:
    """Send the call once, and return its response or its error."""

    def parse(document: Any) -> T:
        if not isinstance(document, kind):
            raise ValueError(f"{path} must be a {kind.__name__}")
        return document

    try:
        return await io.send_once(Call(operation, "GET", path, parse), CALL_SECONDS)
    except WherobotsApiError as error:
        return error


NAME = "trigger logs"
LOCAL = "FileTaskHandler"
"""The handler without remote logging."""
_READ_BACK = frozenset(
    ("S3RemoteLogIO", "GCSRemoteLogIO", "WasbRemoteLogIO", "S3TaskHandler", "GCSTaskHandler", "WasbTaskHandler")
)
"""They read every file whose name begins as the worker's does, and a trigger's does. The last three are of 2.11."""
_NOT_READ_BACK = {"CloudWatchRemoteLogIO": "70314 and 70317", "OSSRemoteLogIO": "", "HdfsRemoteLogIO": ""}
"""They read the worker's part only. With issues of apache/airflow."""
_SET = "set [wherobots] copy_log_on_resume to True"
_TRY = f"run a deferred task; if its log has no line 'Following run …' after its end, {_SET}"


def check_handler(name: str, *, supports_triggers: bool, unseen_connection: str, copies: bool) -> Check:
    """Judge the log handler with this class name.

    ``supports_triggers``: whether Airflow gives it what triggers write. ``unseen_connection``: the id of its connection
    if a triggerer may not find that, else empty. ``copies``: the value of ``copy_log_on_resume``.
    """
    keeps, text = _judge(name, supports_triggers, unseen_connection)
    if copies:
        advice = "the copy shows lines twice: set copy_log_on_resume to False" if keeps else ""
        return Check(NAME, State.OK, f"{text} copy_log_on_resume = True copies the run's log.", advice)
    if keeps is None:
        return Check(NAME, State.NOT_CHECKED, text, _TRY)
    return Check(NAME, State.OK, text) if keeps else Check(NAME, State.WARNING, text, _SET)


def _judge(name: str, supports_triggers: bool, unseen_connection: str) -> tuple[bool | None, str]:
    """Whether the trigger's part is kept, None if that is unknown, and a sentence about it."""
    if not supports_triggers:
        return False, f"{name} does not store what a trigger writes."
    if name in _NOT_READ_BACK:
        issues = _NOT_READ_BACK[name] and f" (apache/airflow issues {_NOT_READ_BACK[name]})"
        return False, f"{name} does not show what a trigger has written, after the end of the task{issues}."
    if name in _READ_BACK and unseen_connection:
        return None, (
            f"{name} keeps what a trigger writes, but Airflow 3.0 to 3.2 may not find the connection"
            f" {unseen_connection!r} in a triggerer unless its environment defines it (apache/airflow issue 65729)."
        )
    if name in _READ_BACK:
        return True, f"{name} keeps what a trigger writes."
    if name == LOCAL:
        return None, (
            "Logs stay on the machine that wrote them: a trigger's part is shown after the end of the task only if"
            " triggerers and the server of Airflow's UI share the folder [logging] base_log_folder."
        )
    return None, f"Whether {name} keeps what a trigger writes is not known."
