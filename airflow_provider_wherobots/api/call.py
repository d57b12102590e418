"""A request to the API as data, before a transport sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")

MAX_RESPONSE_BYTES = 8_000_000
"""A usual response has a few kilobytes. The limit keeps one that never ends from filling the memory."""


def no_content(_: Any) -> None:
    """The parser of a response whose body is ignored."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to be sent, as data.

    :param operation: operation id in the OpenAPI description; names the call in messages.
    :param parse: turns the decoded JSON body of a success into a model.
    :param params: query parameters, in order; a name may repeat.
    :param repeatable: whether sending it twice has the same effect as sending it once.
    :param date: takes the response's ``Date`` header into the model; None for a model without one.
    :param max_bytes: limit of the response body, after decompression.
    :param urgent: whether it is sent even while the service limits the API key, or other calls hang.
    :param see_other: reads the headers of a 303 in place of a body; None for a call without such a response.
    :param is_response_secret: whether errors must not show the response body of a success.
    :param command: what sends it, ``cmd`` in the service's client chain; default empty.
    """

    operation: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    parse: Callable[[Any], T]
    params: tuple[tuple[str, str], ...] = ()
    json: Mapping[str, Any] | None = None
    repeatable: bool = True
    date: Callable[[T, str], T] | None = None
    max_bytes: int = MAX_RESPONSE_BYTES
    urgent: bool = False
    see_other: Callable[[Mapping[str, str]], T] | None = None
    is_response_secret: bool = False
    command: str = ""

    def at_once(self) -> Call[T]:
        """The same call, as an urgent one."""
        return replace(self, urgent=True)
