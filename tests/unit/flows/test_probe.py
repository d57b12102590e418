import pytest

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ErrorInfo,
    ForeignResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PlainHttpError,
    ProxySettingError,
    ResponseLostError,
    ServerError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import RunPage
from airflow_provider_wherobots.flows.probe import probe
from tests.unit.flows.script import Script, always, answers

OPERATION = "listJobRuns"
SAID = (ErrorInfo("CODE", "what the service said"),)


def test_one_small_call_is_all_it_takes() -> None:
    script = Script(answers(RunPage(())))
    works, said = script.run(probe, 7.0)
    assert works
    assert said == "The Runs API accepts the API key"
    (sent,) = script.sent
    assert (sent.call.method, sent.call.path, sent.call.params) == ("GET", "/runs", (("size", "1"),))
    assert sent.timeout == 7.0
    assert script.sleeps == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UntrustedServerError(OPERATION, "self-signed"), "The host's TLS certificate is not trusted: self-signed"),
        (ProxySettingError(OPERATION, "no scheme"), "The configured proxy cannot be used: no scheme"),
        (NotSentError(OPERATION, "refused"), "The host cannot be reached: refused"),
        (ResponseLostError(OPERATION, "timed out"), "The host was reached, but did not respond: timed out"),
        (
            PlainHttpError(OPERATION, "[SSL: WRONG_VERSION_NUMBER] x"),
            "The call failed: [SSL: WRONG_VERSION_NUMBER] x; this port speaks plain http; correct the port, or put "
            "http:// before the host of a local server or a proxy",
        ),
        (AuthenticationError(OPERATION, 401, SAID), "The API key is refused: 401 CODE: what the service said"),
        (
            PermissionDeniedError(OPERATION, 403, SAID),
            "The API key is valid, but may not use runs: 403 CODE: what the service said",
        ),
        (
            NotFoundError(OPERATION, 404, SAID),
            "There is no Wherobots Runs API at this address: 404 CODE: what the service said",
        ),
        (
            UnreadableResponseError(OPERATION, 200, b"<html>", "x"),
            "This is not the Wherobots Runs API: the response (200) does not match the API's format: x; body: <html>",
        ),
        (
            ForeignResponseError(OPERATION, 302, excerpt="the host redirects"),
            "This is not the Wherobots Runs API: 302: the host redirects",
        ),
        (BadRequestError(OPERATION, 405, excerpt="<html>"), "This is not the Wherobots Runs API: 405: <html>"),
        (BadRequestError(OPERATION, 400, SAID), "The service responds with an error: 400 CODE: what the service said"),
        (ServerError(OPERATION, 503), "The service responds with an error: 503: no body"),
        (WherobotsApiError(OPERATION, "odd"), "The call failed: odd"),
    ],
)
def test_what_is_wrong_is_said_once_and_nothing_is_tried_again(error: WherobotsApiError, text: str) -> None:
    script = Script(always(error))
    assert script.run(probe) == (False, text)
    assert len(script.sent) == 1
