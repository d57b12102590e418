"""Checks that a few reading calls answer: reach, key, rights, clock, region, storage. They change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.errors import (
    AnswerLostError,
    AuthenticationError,
    CaBundleError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PlainHttpError,
    ProxySettingError,
    UntrustedServerError,
    WherobotsApiError,
    parse_http_date,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.runtimes import RUNTIMES
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.verdicts import Check, State
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Send, perform
from airflow_provider_wherobots.flows.probe import diagnose

T = TypeVar("T")

CALL_SECONDS = 15.0
SAMPLES = 3
"""How many calls the latency is taken from."""
SLOW_SECONDS = 2.0
SKEW_SECONDS, WRONG_CLOCK_SECONDS = 5.0, 300.0
UNRESOLVED = "Failed to resolve"
"""How the transport's error begins if a name has no address."""


@dataclass(slots=True)
class Asked:
    """What the service said about itself.

    :param refused: why List Runs failed; None if it works.
    :param organization: ``GET /organization``, or why it failed.
    :param storage: ``GET /storage``, or why it failed.
    :param me: ``GET /users/me``, or why it failed.
    """

    refused: WherobotsApiError | None = None
    organization: Any = field(default=None, repr=False)
    storage: Any = field(default=None, repr=False)
    me: Any = field(default=None, repr=False)


def ask_service() -> Flow[Asked]:
    """Make the reading calls. Never raises for an answer of the service.

    :returns: the answers.
    """
    asked = Asked()
    for _ in range(SAMPLES):
        answer = yield from _try(calls.list_runs(size=1))
        if isinstance(answer, WherobotsApiError):
            asked.refused = answer
            return asked
    asked.organization = yield from _try(_get("getMyOrganization", "/organization", dict))
    asked.storage = yield from _try(_get("listIntegration", "/storage", list))
    asked.me = yield from _try(_get("getMe", "/users/me", dict))
    return asked


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


def service_checks(asked: Asked, transcript: Transcript, settings: Settings, proxy: str | None) -> list[Check]:
    """Say what the answers mean.

    :param asked: the answers.
    :param transcript: what was sent and answered.
    :param settings: the connection.
    :param proxy: scheme, host and port of the proxy in use; None for a direct connection.
    """
    exchanges = [exchange for exchange in transcript if exchange.status is not None]
    return [
        _name(asked, settings, proxy),
        _reach(asked, settings, proxy),
        _key(asked),
        _rights(asked),
        _clock(exchanges),
        _latency(transcript.of("listJobRuns")),
        _region(asked, settings),
        _runtime(asked, settings),
        _storage(asked),
    ]


def _name(asked: Asked, settings: Settings, proxy: str | None) -> Check:
    host = urlsplit(settings.endpoint.base_url).hostname or ""
    if isinstance(asked.refused, NotSentError) and UNRESOLVED in str(asked.refused):
        what = "the proxy's name" if proxy else host
        return Check(
            "DNS",
            State.FAILED,
            f"{what} has no address ({asked.refused}).",
            "correct the name, or ask your network's administrator",
        )
    if proxy:
        return Check("DNS", State.NOT_CHECKED, f"The proxy looks up {host}.")
    if isinstance(asked.refused, ProxySettingError | CaBundleError):
        return Check("DNS", State.NOT_CHECKED, "Nothing was sent.")
    return Check("DNS", State.OK, f"{host} has an address.")


def _reach(asked: Asked, settings: Settings, proxy: str | None) -> Check:
    name, error, url = "reach and TLS", asked.refused, settings.endpoint.base_url
    through = f" through the proxy {proxy}" if proxy else ""
    match error:
        case UntrustedServerError():
            advice = "set REQUESTS_CA_BUNDLE to your CA bundle, on workers, triggerers and here"
        case CaBundleError():
            advice = "correct REQUESTS_CA_BUNDLE"
        case ProxySettingError():
            advice = "name an HTTP proxy in HTTPS_PROXY, or add the host to NO_PROXY"
        case PlainHttpError():
            advice = "put http:// before the host, for the local server only"
        case NotSentError() | AnswerLostError():
            advice = f"allow {url} in firewalls and proxies, from here, from workers and from triggerers"
        case _:
            tls = "with a trusted certificate" if url.startswith("https") else "in plain http, on this machine"
            return Check(name, State.OK, f"{url} answers{through}, {tls}.")
    return Check(name, State.FAILED, f"{diagnose(error)}{through} ({error}).", advice)


def _key(asked: Asked) -> Check:
    name, error = "API key", asked.refused
    if error is None or isinstance(error, PermissionDeniedError):
        return Check(name, State.OK, "The service accepts the key.")
    if isinstance(error, AuthenticationError):
        return Check(
            name,
            State.FAILED,
            f"The service refuses the key ({error}).",
            "put a valid key into the connection's password",
        )
    if not _was_answered(error):
        return Check(name, State.NOT_CHECKED, "The service was not reached.")
    return Check(
        name,
        State.FAILED,
        f"{diagnose(error)} ({error}).",
        "set the API host to api.cloud.wherobots.com, or leave it empty",
    )


def _was_answered(error: WherobotsApiError) -> bool:
    return not isinstance(
        error,
        NotSentError | AnswerLostError | UntrustedServerError | PlainHttpError | CaBundleError | ProxySettingError,
    )


def _rights(asked: Asked) -> Check:
    name = "rights: list runs"
    if asked.refused is None:
        return Check(name, State.OK, "The key may list runs.")
    if isinstance(asked.refused, PermissionDeniedError):
        return Check(
            name,
            State.FAILED,
            f"The key may not use runs ({asked.refused}).",
            "runs need a Professional or Enterprise organisation; ask its administrator",
        )
    return Check(name, State.NOT_CHECKED, "The key was not accepted.")


def _clock(exchanges: Sequence[Exchange]) -> Check:
    name = "clock"
    skews = []
    for exchange in exchanges:
        moment = parse_http_date(exchange.date) if exchange.date else None
        if moment is not None:
            # The header has whole seconds, rounded down.
            skews.append(exchange.at + exchange.seconds / 2 - moment.timestamp() - 0.5)
    if not skews:
        return Check(name, State.NOT_CHECKED, "No answer has a Date header.")
    skew = median(skews)
    if abs(skew) <= SKEW_SECONDS:
        return Check(name, State.OK, f"This machine's clock differs by {abs(skew):.1f} s from the service's.")
    side = "ahead of" if skew > 0 else "behind"
    state = State.WARNING if abs(skew) < WRONG_CLOCK_SECONDS else State.FAILED
    advice = "set the clock (NTP) here and on workers: times in logs and certificates depend on it"
    return Check(name, state, f"This machine's clock is {abs(skew):.0f} s {side} the service's.", advice)


def _latency(exchanges: Sequence[Exchange]) -> Check:
    name = "latency"
    times = [exchange.seconds for exchange in exchanges if exchange.status is not None]
    if not times:
        return Check(name, State.NOT_CHECKED, "The service was not reached.")
    text = f"A list of one run takes {median(times) * 1000:.0f} ms (the median of {len(times)} calls)."
    if median(times) < SLOW_SECONDS:
        return Check(name, State.OK, text)
    return Check(name, State.WARNING, text, "look for a slow proxy or network between here and the service")


def _region(asked: Asked, settings: Settings) -> Check:
    name = "region"
    region, organization = settings.region, asked.organization
    if not isinstance(organization, dict):
        return Check(name, State.NOT_CHECKED, _why_unknown("the organisation", asked, organization))
    allowed = [str(value) for value in organization.get("allowedRegions") or []]
    default = organization.get("defaultRegion")
    if region is None and default:
        return Check(name, State.OK, f"The connection names none; the organisation's default is {default}.")
    if region is None:
        return Check(
            name,
            State.WARNING,
            "Neither the connection nor the organisation names one.",
            "set region in the connection or in each task",
        )
    if not allowed or region in allowed:
        return Check(name, State.OK, f"{region} is allowed{'' if allowed else ': the organisation limits none'}.")
    return Check(name, State.FAILED, f"{region!r} is not allowed.", f"use one of {', '.join(allowed)}")


def _runtime(asked: Asked, settings: Settings) -> Check:
    name = "runtime"
    default = asked.organization.get("defaultRuntime") if isinstance(asked.organization, dict) else None
    if settings.runtime is None:
        if default:
            return Check(name, State.OK, f"The connection names none; the organisation's default is {default}.")
        return Check(name, State.NOT_CHECKED, "The connection names none, and the organisation's default is unknown.")
    if settings.runtime in RUNTIMES or settings.runtime == default:
        return Check(name, State.OK, f"{settings.runtime} is a published one.")
    return Check(
        name,
        State.WARNING,
        f"{settings.runtime!r} is not a published one.",
        "check its spelling; the service may know it all the same",
    )


def _storage(asked: Asked) -> Check:
    name, storage = "rights: storage", asked.storage
    if not isinstance(storage, list):
        text = _why_unknown("the storage", asked, storage)
        if isinstance(storage, PermissionDeniedError | NotFoundError):
            return Check(
                name,
                State.WARNING,
                text,
                "a script in the DAG's folder cannot be uploaded; put scripts into S3, and give s3:// addresses",
            )
        return Check(name, State.NOT_CHECKED, text)
    sources = [source for source in storage if isinstance(source, dict)]
    writable = [source for source in sources if not source.get("readOnly")]
    managed = sum(source.get("type") == "MANAGED" for source in writable)
    text = f"The key sees {len(sources)} storage sources: {len(writable)} can be written, {managed} of them managed."
    if writable:
        return Check(name, State.OK, text)
    return Check(name, State.WARNING, text, "without one, scripts in the DAG's folder cannot be uploaded")


def _why_unknown(what: str, asked: Asked, answer: Any) -> str:
    if asked.refused is not None:
        return "List Runs failed, so nothing else was asked."
    return f"The service does not show {what} ({answer})."
