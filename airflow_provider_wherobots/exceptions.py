"""How a task of this provider fails: one class per kind, so that retry policies and callbacks can tell them apart.

Some kinds are of no use to retry. The operator fails the task with those for good, by :func:`without_retry`, unless the
task has a ``retry_policy`` (Airflow 3.3), which then decides.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow_provider_wherobots.compat import AirflowException, AirflowFailException


class WherobotsException(AirflowException):
    """Anything this provider fails a task with."""


class WherobotsArgumentException(WherobotsException, ValueError):
    """An argument or the connection breaks a rule; nothing was sent. Not retried."""


class WherobotsRequestException(WherobotsException):
    """The service refused the request: bad request, bad key, no permission, not found. Not retried."""


class WherobotsQuotaException(WherobotsException):
    """The organisation had no room for a run for ``max_quota_wait_seconds``; none was created. A retry waits again."""


class WherobotsUnavailableException(WherobotsException):
    """The service could not be reached or did not answer usably for too long. A retry looks for the run first."""


class WherobotsRunFailedException(WherobotsException):
    """The run failed. A retry starts a new run."""


class WherobotsRunNotStartedException(WherobotsRunFailedException):
    """The run failed before its script began: preparing, deploying or initializing failed. A retry starts a new run."""


class WherobotsRunTimedOutException(WherobotsException):
    """The service ended the run when its ``timeoutSeconds`` had passed. A retry starts a new run."""


class WherobotsRunCancelledException(WherobotsException):
    """The run was cancelled on the service's side. Not retried, unless the task says ``retry_cancelled=True``."""


class WherobotsExecutionTimeoutException(WherobotsException):
    """The task's ``execution_timeout`` passed; a run that was active was cancelled. A retry starts a new run."""


class WherobotsTaskKilledException(WherobotsException):
    """The task was told to stop while it worked with a run."""


NOT_RETRIED = (WherobotsArgumentException, WherobotsRequestException, WherobotsRunCancelledException)
"""Kinds that the operator fails a task with at once, whatever its ``retries``, unless the task says otherwise."""


def without_retry(error: WherobotsException) -> WherobotsException:
    """The same exception, but of a class that Airflow does not retry.

    Source: ``AirflowFailException`` in Airflow's documentation of retries; no ``retry_policy`` is asked about it.

    :param error: the exception.
    :returns: an exception of a class that derives from its own and from ``AirflowFailException``, and has its name.
    """
    return _failing(type(error), str(error)).with_traceback(error.__traceback__)


def _failing(kind: Any, text: str) -> WherobotsException:
    failure: WherobotsException = _failing_class(kind)(text)
    return failure


@cache
def _failing_class(kind: Any) -> Any:
    members = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        # By its own name pickle would find the kind itself.
        "__reduce__": lambda error: (_failing, (kind, str(error))),
    }
    return type(kind.__name__, (kind, AirflowFailException), members)
