"""Exceptions cross processes: an executor, or ``multiprocessing``, waits for ever for one that cannot be unpickled."""

import copy
import pickle
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.api import errors
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.quota import QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.sql.session import SessionFailedError, SessionWaitTimeoutError
from airflow_provider_wherobots.flows.submit import NotReplacedError
from airflow_provider_wherobots.flows.upload import UploadFailedError
from tests.unit.test_imports import PACKAGE, WITHOUT_AIRFLOW, modules_of

for room in WITHOUT_AIRFLOW:
    for name in modules_of(room):
        import_module(name)

ROOTS = (errors.WherobotsApiError, errors.InvalidArgumentError, exceptions.WherobotsException)
CAUSE = errors.ServerError("createJobRun", 503, retry_after=7.0)
MAKE: dict[type[Exception], Callable[[Any], Exception]] = {
    errors.WherobotsApiError: lambda kind: kind("getJobRun", "text"),
    errors.ResponseTooLargeError: lambda kind: kind("getJobRun", 100),
    errors.UnreadableResponseError: lambda kind: kind("getJobRun", 200, b"<html>", "no JSON", str),
    errors.PlainHttpError: lambda kind: kind("getJobRun", "text"),
    errors.ResponseError: lambda kind: kind("getJobRun", 500, (errors.ErrorInfo("CODE", "m"),), "req-1", 5.2, "x", "y"),
    errors.KeyLimitedError: lambda kind: kind("getJobRun", 4.5),
    errors.InvalidArgumentError: lambda kind: kind("name='': must not be empty"),
    exceptions.WherobotsException: lambda kind: kind("text"),
    SessionFailedError: lambda kind: kind("text"),
    SessionWaitTimeoutError: lambda kind: kind("text", True),
    QuotaNotFreedError: lambda kind: kind(errors.QuotaError("createJobRun", 403), QuotaWait(), 5.0),
    NotReplacedError: lambda kind: kind(Run("r1", "n", "RUNNING"), CAUSE),
    UploadFailedError: lambda kind: kind("a could not be uploaded", CAUSE, ""),
}
"""How a class is made that has a constructor of its own, and those that have its constructor."""


def kinds_below(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds_below(kind)


KINDS = sorted(
    {kind for root in ROOTS for kind in kinds_below(root) if kind.__module__.startswith(PACKAGE)},
    key=lambda k: k.__name__,
)


def name_of(copied: Any) -> str:
    """The same in each process."""
    return getattr(copied, "__name__", str(copied))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy], ids=name_of)
def test_an_exception_survives_pickle_and_copy_with_all_it_carries(kind: type[Exception], copied: Any) -> None:
    constructor = next(one for one in kind.__mro__ if one in MAKE or "__init__" in vars(one))
    error = MAKE[constructor](kind)
    # What is set later, such as what a limited key knows.
    error.succeeded_ago = 3.0  # type: ignore[attr-defined]
    found = copied(error) if callable(copied) else pickle.loads(pickle.dumps(error, copied))  # noqa: S301 - its own
    assert type(found) is kind
    assert (str(found), found.args) == (str(error), error.args)
    assert vars(found) == vars(error)


def test_all_kinds_are_found() -> None:
    assert len(KINDS) > 40
