"""Reading what another version of this package has sent: in a rolling upgrade, workers and triggerers differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


def known_fields(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values that a dataclass has a field for. Others, which a later version may have sent, are left out."""
    known = {field.name for field in fields(cls)}
    return {name: value for name, value in given.items() if name in known}


@dataclass(frozen=True, slots=True)
class Kept:
    """Options that are kept while a task is deferred, as JSON."""

    def to_kwargs(self) -> dict[str, Any]:
        """The options as a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> Self:
        """Read options that another version of this package may have stored. Unknown ones are left out."""
        return cls(**known_fields(cls, kwargs))
