"""What a task leaves in Airflow: the keys of its XComs and, while it is deferred, the arguments of its trigger, its
event, and what it resumes with.

In a rolling upgrade one version of this package reads what another has stored. Arguments that the reader does not know
are ignored, in :func:`known_arguments` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, wraps
from inspect import signature
from typing import Any, ParamSpec, Self, TypeVar

RUN_ID_KEY = "run_id"
"""The run's id, pushed as soon as the run is created or re-attached to."""
RUN_URL_KEY = "run_url"
"""The run's address, pushed as soon as the run is created or re-attached to."""
SPARK_UI_URL_KEY = "spark_ui_url"
"""The address of the run's Spark UI, pushed as soon as it is known. Also a key of the summary."""
RUN_SUMMARY_KEY = "run_summary"
"""The fields of ``RunSummary``, pushed when the run has ended, regardless of its status."""
RUNS_KEY = "runs"
"""The runs of the task's attempts, pushed as soon as a run is created or re-attached to, and when it has ended."""
RESULT_KEY = "result"
"""What the run's script printed as its result, pushed when the run has ended, regardless of its status."""
RUN_LEFT_ACTIVE_KEY = "run_left_active"
"""True if the task has ended and meant to leave its run active (``wait_for_completion=False``)."""
SQL_SESSION_ID_KEY = "session_id"
"""The id of the SQL session, pushed as soon as there is one."""
SQL_SESSION_URL_KEY = "session_url"
"""The address of the console's page that lists SQL sessions, pushed with the session's id."""
SQL_EXECUTION_ID_KEY = "execution_id"
"""The id of a statement's execution, pushed before the statement is sent. Each statement replaces the one before."""
SQL_SUMMARY_KEY = "sql_summary"
"""The fields of ``SqlSummary``, pushed when the task has ended, regardless of its state."""

P = ParamSpec("P")
R = TypeVar("R")


def known_arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments that a function, or the constructor of a class, has parameters for."""
    known = _parameters(function)
    return {name: value for name, value in given.items() if name in known}


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(signature(function).parameters)


def ignore_unknown(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function that is called with stored arguments ignore those that it does not know."""

    @wraps(function)
    def with_known(*args: P.args, **kwargs: P.kwargs) -> R:
        known: Any = known_arguments(function, kwargs)
        return function(*args, **known)

    return with_known


@dataclass(frozen=True, slots=True)
class StoredOptions:
    """Options that are one of the stored arguments, as JSON."""

    def to_kwargs(self) -> dict[str, Any]:
        """The options as a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> Self:
        """Make the options of what :meth:`to_kwargs` returned."""
        return cls(**known_arguments(cls, kwargs))
