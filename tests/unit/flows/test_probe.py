from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.errors import (
    AnswerLostError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ErrorInfo,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnreadableAnswerError,
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
    works, said = script.run(probe(7.0))
    assert works
    assert "accepts the API key" in said
    (sent,) = script.sent
    assert (sent.call.method, sent.call.path, sent.call.params) == ("GET", "/runs", (("size", "1"),))
    assert sent.timeout == 7.0
    assert script.sleeps == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UntrustedServerError(OPERATION, "self-signed"), "certificate is not trusted: self-signed"),
        (NotSentError(OPERATION, "refused"), "The host cannot be reached: refused"),
        (AnswerLostError(OPERATION, "timed out"), "was reached, but did not answer: timed out"),
        (
            NotSentError(OPERATION, "[SSL: WRONG_VERSION_NUMBER] x"),
            "speaks plain http where https was expected: [SSL",
        ),
        (NotSentError(OPERATION, "[SSL] record layer failure"), "plain http where https was expected: [SSL"),
        (AuthenticationError(OPERATION, 401, SAID), "The API key is refused: 401 CODE: what the service said"),
        (PermissionDeniedError(OPERATION, 403, SAID), "may not use runs: 403 CODE: what the service said"),
        (NotFoundError(OPERATION, 404, SAID), "no Wherobots Runs API at this address: 404 CODE"),
        (
            UnreadableAnswerError(OPERATION, 200, b"<html>", "x"),
            "is not the Wherobots Runs API: the response",
        ),
        (BadRequestError(OPERATION, 302, excerpt="the host redirects"), "is not the Wherobots Runs API: 302: the host"),
        (BadRequestError(OPERATION, 400, SAID), "answers with an error: 400 CODE: what"),
        (ConflictError(OPERATION, 409, SAID), "answers with an error: 409 CODE"),
        (RateLimitedError(OPERATION, 429, retry_after=60), "answers with an error: 429"),
        (ServerError(OPERATION, 503), "answers with an error: 503"),
        (WherobotsApiError(OPERATION, "odd"), "The call failed: odd"),
    ],
)
def test_what_is_wrong_is_said_once_and_nothing_is_tried_again(error: WherobotsApiError, words: str) -> None:
    script = Script(always(error))
    works, said = script.run(probe())
    assert not works
    assert words in said
    assert OPERATION not in said
    assert len(script.sent) == 1
