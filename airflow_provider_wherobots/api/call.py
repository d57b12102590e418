"""A request as data: what every call of a service's API is, before anything sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")

MAX_ANSWER_BYTES = 8_000_000
"""A usual answer is some kilobytes: one that does not end shall not fill the memory."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to be sent, as data.

    :param operation: operation id in the OpenAPI description; names the call in messages.
    :param method: HTTP method.
    :param path: URL path below the host.
    :param parse: turns the decoded JSON body of a success into a model.
    :param params: query parameters, in order; a name may repeat.
    :param json: request body, or None for none.
    :param repeatable: whether sending it twice does no more than sending it once.
    :param date: puts the moment of the answer, by the service's clock, into the model; None for a model without one.
    :param max_bytes: the most its answer's body may have, after decompression.
    :param urgent: whether it is sent even while the service limits the API key.
    """

    operation: str
    method: Literal["GET", "POST"]
    path: str
    parse: Callable[[Any], T]
    params: tuple[tuple[str, str], ...] = ()
    json: Mapping[str, Any] | None = None
    repeatable: bool = True
    date: Callable[[T, datetime], T] | None = None
    max_bytes: int = MAX_ANSWER_BYTES
    urgent: bool = False

    def at_once(self) -> Call[T]:
        """The same call, sent even while the service limits the API key."""
        return replace(self, urgent=True)
