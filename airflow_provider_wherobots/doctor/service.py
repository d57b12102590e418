"""Checks by a few GET calls: the API key, the organization's region and runtime, and storage."""

from __future__ import annotations

from typing import Any, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Settings
from airflow_provider_wherobots.api.errors import NotFoundError, PermissionDeniedError, WherobotsApiError
from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.flows.probe import probe
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.messages import words

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
        error.args = (words.quoted(str(error)),)
        return error
