"""How a task of this provider fails. All are Airflow's own kinds: those that derive from ``AirflowFailException`` fail
the task without a retry, the others let Airflow retry it.
"""

from __future__ import annotations

from airflow_provider_wherobots.compat import AirflowException, AirflowFailException


class WherobotsException(AirflowException):
    """Anything this provider fails a task with."""


class WherobotsArgumentException(WherobotsException, AirflowFailException, ValueError):
    """An argument or the connection breaks a rule; nothing was sent. No retry."""


class WherobotsRequestException(WherobotsException, AirflowFailException):
    """The service refused the request: bad request, bad key, no permission, not found. No retry."""


class WherobotsUnavailableException(WherobotsException):
    """The service could not be reached or did not answer usably for too long. A retry looks for the run first."""


class WherobotsRunFailedException(WherobotsException):
    """The run failed. A retry starts a new run."""


class WherobotsRunTimedOutException(WherobotsException):
    """The service ended the run when its ``timeoutSeconds`` had passed. A retry starts a new run."""


class WherobotsRunCancelledException(WherobotsException, AirflowFailException):
    """Somebody cancelled the run on the service's side. No retry: they meant it."""


class WherobotsExecutionTimeoutException(WherobotsException):
    """The task's ``execution_timeout`` passed; the run was cancelled. A retry starts a new run."""


class WherobotsTaskKilledException(WherobotsException):
    """The task was told to stop while it worked with a run."""
