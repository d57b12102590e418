"""Checks by a few GET calls: reach, key, rights, clock, latency, region, runtime and storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    CaBundleError,
    ForeignResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PlainHttpError,
    ProxySettingError,
    ResponseError,
    ResponseLostError,
    UntrustedServerError,
    WherobotsApiError,
    parse_http_date,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Send, now, perform
from airflow_provider_wherobots.flows.probe import diagnose

T = TypeVar("T")

CALL_SECONDS = 15.0
SAMPLES = 3
"""How many calls are measured."""
SLOW_SECONDS = 2.0
SKEW_SECONDS, WRONG_CLOCK_SECONDS = 5.0, 300.0
UNRESOLVED = "Failed to resolve"
"""How the transport's error begins if a name has no address."""
LIST_FAILED = "List Runs failed, so nothing else was requested."


@dataclass(frozen=True, slots=True)
class Sample:
    """A list of one run: when it was sent, in epoch seconds, how long it took, and the response's ``Date`` header."""

    at: float
    seconds: float
    date: str = ""


@dataclass(slots=True)
class Responses:
    """The responses of the service. ``refused`` is the error of List Runs. In the other fields, an error stands in
    place of a response.
    """

    refused: WherobotsApiError | None = None
    organization: Any = field(default=None, repr=False)
    storage: Any = field(default=None, repr=False)
    me: Any = field(default=None, repr=False)
    samples: list[Sample] = field(default_factory=list)


def query_service() -> Flow[Responses]:
    """Make the calls. Never raises a ``WherobotsApiError``."""
    responses = Responses()
    list_one: Call[Any] = calls.list_runs(size=1)
    # If the response has a Date header, the call's result is that date.
    list_one = replace(list_one, date=lambda page, date: date)
    for _ in range(SAMPLES):
        at = yield from now()
        response = yield from _try(list_one)
        if isinstance(response, WherobotsApiError):
            responses.refused = response
            return responses
        seconds = (yield from now()) - at
        responses.samples.append(Sample(at, seconds, response if isinstance(response, str) else ""))
    responses.organization = yield from _try(_get("getMyOrganization", "/organization", dict))
    responses.storage = yield from _try(_get("listIntegration", "/storage", list))
    responses.me = yield from _try(_get("getMe", "/users/me", dict))
    return responses


def _get(operation: str, path: str, kind: type[T]) -> Call[T]:
    def parse(document: Any) -> T:
        if not isinstance(document, kind):
            raise ValueError(f"{path} must be a {kind.__name__}")
        return document

    return Call(operation, "GET", path, parse)


def _try(call: Call[T]) -> Flow[T | WherobotsApiError]:
    try:
        return (yield from perform(Send(call, CALL_SECONDS)))
    except WherobotsApiError as error:
        error.args = (words.quoted(str(error)),)
        return error


def service_checks(responses: Responses, settings: Settings, proxy: str | None) -> list[Check]:
    """The checks of the service. ``proxy`` is the address of the proxy in use; None for a direct connection."""
    return [
        *_access(responses.refused, settings.endpoint.base_url, proxy),
        _clock(responses.samples),
        _latency(responses.samples),
        _region(responses, settings),
        _runtime(responses, settings),
        _storage(responses),
    ]


def _access(error: WherobotsApiError | None, url: str, proxy: str | None) -> list[Check]:
    """The steps to a list of runs. The cause of an error fails one step, and the steps after it are not checked."""
    host, through = urlsplit(url).hostname or "", f" through the proxy {proxy}" if proxy else ""
    tls = "with a trusted certificate" if url.startswith("https") else "in plain http, on this machine"
    steps = {
        "DNS": f"{host} has an address.",
        "reach and TLS": f"{url} responds{through}, {tls}.",
        "API key": "The service accepts the key.",
        "rights: list runs": "The key can list runs.",
    }
    failed, advice = ("", "") if error is None else _cause(error, url)
    checks, state = [], State.OK
    for name, text in steps.items():
        if error is not None and name == failed:
            checks.append(Check(name, State.FAILED, f"{diagnose(error)}{through} ({error}).", advice))
            state = State.NOT_CHECKED
        elif name == "DNS" and proxy:
            checks.append(Check(name, State.NOT_CHECKED, f"The proxy looks up {host}."))
        elif name == "DNS" and isinstance(error, ProxySettingError | CaBundleError):
            checks.append(Check(name, State.NOT_CHECKED, "Nothing was sent."))
        else:
            checks.append(Check(name, state, text if state is State.OK else f"{failed} failed."))
    return checks


def _cause(error: WherobotsApiError, url: str) -> tuple[str, str]:
    """The step that an error fails, and what to do."""
    match error:
        case NotSentError() if UNRESOLVED in str(error):
            return "DNS", "correct the name of the host or the proxy, or ask your network's administrator"
        case UntrustedServerError():
            return "reach and TLS", "set REQUESTS_CA_BUNDLE to your CA bundle, on workers, triggerers and here"
        case CaBundleError():
            return "reach and TLS", "correct REQUESTS_CA_BUNDLE"
        case ProxySettingError():
            return "reach and TLS", "name an HTTP proxy in HTTPS_PROXY, or add the host to NO_PROXY"
        case PlainHttpError():
            return "reach and TLS", "put http:// before the host, for the local server only"
        case NotSentError() | ResponseLostError():
            return "reach and TLS", f"allow {url} in firewalls and proxies, from here, from workers and from triggerers"
        case AuthenticationError():
            return "API key", "put a valid key into the connection's password"
        case PermissionDeniedError():
            return "rights: list runs", "runs need a Professional or Enterprise organization; ask its administrator"
        case ResponseError() if error.transient and not isinstance(error, ForeignResponseError):
            return "API key", "repeat the command later: the service has an outage, or limits this API key"
    return "API key", "set the API host to api.cloud.wherobots.com, or leave it empty"


def _clock(samples: Sequence[Sample]) -> Check:
    name = "clock"
    # The header has whole seconds, rounded down.
    skews = [
        sample.at + sample.seconds / 2 - moment.timestamp() - 0.5
        for sample in samples
        if sample.date and (moment := parse_http_date(sample.date)) is not None
    ]
    if not skews:
        text = "No response has a Date header." if samples else LIST_FAILED
        return Check(name, State.NOT_CHECKED, text)
    skew = median(skews)
    if abs(skew) <= SKEW_SECONDS:
        return Check(name, State.OK, f"This machine's clock differs by {abs(skew):.1f} s from the service's.")
    state = State.WARNING if abs(skew) < WRONG_CLOCK_SECONDS else State.FAILED
    text = f"This machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service's."
    advice = "set the clock (NTP) here and on workers: times in logs and certificates depend on it"
    return Check(name, state, text, advice)


def _latency(samples: Sequence[Sample]) -> Check:
    name, times = "latency", [sample.seconds for sample in samples]
    if not times:
        return Check(name, State.NOT_CHECKED, LIST_FAILED)
    text = f"A list of one run takes {median(times) * 1000:.0f} ms (the median of {len(times)} calls)."
    if median(times) < SLOW_SECONDS:
        return Check(name, State.OK, text)
    return Check(name, State.WARNING, text, "check for a slow proxy or network between here and the service")


def _region(responses: Responses, settings: Settings) -> Check:
    name, region, organization = "region", settings.region, responses.organization
    if not isinstance(organization, dict):
        return Check(name, State.NOT_CHECKED, _why_unknown("the organization", responses, organization))
    allowed = [str(value) for value in organization.get("allowedRegions") or []]
    default = organization.get("defaultRegion")
    if region is None and default:
        return Check(name, State.OK, f"The connection sets none; the organization's default is {default}.")
    if region is None:
        text = "Neither the connection nor the organization sets one."
        return Check(name, State.WARNING, text, "set region in the connection or in each task")
    if not allowed or region in allowed:
        return Check(
            name, State.OK, f"{region} is allowed{'' if allowed else ': the organization does not restrict regions'}."
        )
    return Check(name, State.FAILED, f"{region!r} is not allowed.", f"use one of {', '.join(allowed)}")


def _runtime(responses: Responses, settings: Settings) -> Check:
    name, runtime = "runtime", settings.runtime
    default = responses.organization.get("defaultRuntime") if isinstance(responses.organization, dict) else None
    if runtime is None and default:
        return Check(name, State.OK, f"The connection sets none; the organization's default is {default}.")
    if runtime is None:
        return Check(name, State.NOT_CHECKED, "The connection sets none, and the organization's default is unknown.")
    if runtime in RUNTIMES or runtime == default:
        return Check(name, State.OK, f"{runtime} is a published one.")
    advice = "check its spelling; the service may still accept it"
    return Check(name, State.WARNING, f"{runtime!r} is not a published one.", advice)


def _storage(responses: Responses) -> Check:
    name, storage = "rights: storage", responses.storage
    if not isinstance(storage, list):
        text = _why_unknown("the storage", responses, storage)
        if not isinstance(storage, PermissionDeniedError | NotFoundError):
            return Check(name, State.NOT_CHECKED, text)
        advice = "a script in the DAG's folder cannot be uploaded; put scripts into S3, and give s3:// addresses"
        return Check(name, State.WARNING, text, advice)
    sources = [source for source in storage if isinstance(source, dict)]
    writable = [source for source in sources if not source.get("readOnly")]
    managed = sum(source.get("type") == "MANAGED" for source in writable)
    text = f"The key sees {len(sources)} storage sources: {len(writable)} can be written, {managed} of them managed."
    if writable:
        return Check(name, State.OK, text)
    return Check(name, State.WARNING, text, "without one, scripts in the DAG's folder cannot be uploaded")


def _why_unknown(what: str, responses: Responses, response: Any) -> str:
    if responses.refused is not None:
        return LIST_FAILED
    return f"The service does not show {what} ({response})."
