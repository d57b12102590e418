"""What Airflow stores while a task is deferred: the arguments of its trigger, its event, and what it resumes with.

In a rolling upgrade one version of this package reads what another has stored. Arguments that the reader does not know
are ignored, in :func:`known_arguments` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, wraps
from inspect import signature
from typing import Any, ParamSpec, Self, TypeVar

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
