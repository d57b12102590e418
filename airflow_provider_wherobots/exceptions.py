"""The exceptions of this provider's tasks: one class per kind, so that retry policies can distinguish them.

A retry cannot help with some kinds. The operator fails the task with those for good, by :func:`without_retry`, unless
the task has a ``retry_policy`` (Airflow 3.3), which then decides.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.errors import WherobotsApiError


class WherobotsException(AirflowException):
    """Base class of the exceptions that this provider fails a task with."""

    in_short: str = ""
    """Of a run: its status, the cause, its id, its cost and what a retry does, for one line. Empty for others."""


class WherobotsArgumentException(WherobotsException, ValueError):
    """An argument or the connection breaks a rule; nothing was sent. Not retried."""


class WherobotsRequestException(WherobotsException):
    """The service refused the request: bad request, not found. Not retried."""


class WherobotsQuotaException(WherobotsException):
    """The organization had no quota left for ``max_quota_wait_seconds``; no run was created. A retry waits again."""


class WherobotsUnavailableException(WherobotsException):
    """The service was unreachable or unusable for too long, or refused the API key or calls about a run. A retry looks
    for the run.
    """


class WherobotsRunFailedException(WherobotsException):
    """The run failed. A retry starts a new run."""


class WherobotsRunNotStartedException(WherobotsRunFailedException):
    """The run failed before its script began: preparing, deploying or initializing failed. A retry starts a new run."""


class WherobotsRunPendingException(WherobotsRunNotStartedException):
    """The run was still PENDING after ``max_pending_seconds``, and was cancelled. A retry starts a new run."""


class WherobotsRunTimedOutException(WherobotsException):
    """The service ended the run after its ``timeout_seconds``. A retry starts a new run."""


class WherobotsRunCancelledException(WherobotsException):
    """The run was cancelled on the service's side. Not retried, unless the task sets ``retry_cancelled=True``."""


class WherobotsResultLostException(WherobotsException):
    """The run completed, but its log, as far as it could be read, has no result for the task to return.

    A retry reads the log again, and starts a new run if the result is still not there. Below Airflow 3.3, with
    ``durable=False`` and with ``reuse_completed=False`` it starts a new run at once.
    """


class WherobotsResultRefusedException(WherobotsException):
    """The run's result is not JSON, or breaks another rule.

    The run of a script has completed. A run of ``@task.wherobots`` fails. Not retried: a retry would get the same.
    """


class WherobotsResultNotPrintedException(WherobotsResultRefusedException):
    """The run completed, but something, such as a logger, put text before the marker of its result. Not retried."""


class WherobotsExecutionTimeoutException(WherobotsException):
    """The task's ``execution_timeout`` passed. An active run was cancelled, unless ``cancel_on_kill=False``.

    After a cancel, a retry starts a new run.
    """


class WherobotsTaskKilledException(WherobotsException):
    """The task was killed while it created or followed a run."""


class WherobotsSqlException(WherobotsException):
    """Base class of the exceptions that only SQL tasks fail with."""


class WherobotsSqlSessionException(WherobotsSqlException):
    """The SQL session failed to start, was not ready in time, or has ended. A retry requests a session again."""


class WherobotsSqlStatementFailedException(WherobotsSqlException):
    """The engine failed a statement. A retry executes it again."""


class WherobotsSqlStatementCancelledException(WherobotsSqlException):
    """A statement was cancelled on the service's side. Not retried."""


class WherobotsSqlOutcomeUnknownException(WherobotsSqlException):
    """A statement was sent, and its outcome is unknown: it may have taken effect.

    A retry of ``WherobotsSqlOperator`` asks the session. If it does not know either, there is no other retry. A task
    that uses the hook is retried only if the statement only reads, or only changes the session.
    """


NOT_RETRIED = (
    WherobotsArgumentException,
    WherobotsRequestException,
    WherobotsResultRefusedException,
    WherobotsRunCancelledException,
    WherobotsSqlStatementCancelledException,
)
"""Kinds that are not retried, regardless of the task's ``retries``, unless the task allows it."""


def kind_of_call(error: WherobotsApiError) -> type[WherobotsException]:
    """The exception for a call that has failed for good.

    :param error: what the call raised, last.
    """
    may_pass = error.transient or error.key_may_change
    return WherobotsUnavailableException if may_pass else WherobotsRequestException


def without_retry(error: WherobotsException) -> WherobotsException:
    """Return the same exception, of a class that Airflow does not retry.

    Source: ``AirflowFailException`` in Airflow's documentation of retries. Airflow applies no ``retry_policy`` to it.

    :param error: the exception.
    :returns: an exception whose class has the same name, and derives from the original class and from
        ``AirflowFailException``.
    """
    if isinstance(error, AirflowFailException):
        return error
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
        # Looked up by name, pickle would find the original class.
        "__reduce__": lambda error: (_failing, (kind, str(error))),
    }
    return type(kind.__name__, (kind, AirflowFailException), members)
