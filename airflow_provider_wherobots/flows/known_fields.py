"""Reading what another version of this package has sent: in a rolling upgrade, workers and triggerers differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known_fields(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values that a dataclass has a field for. Others, which a later version may have sent, are left out."""
    known = {field.name for field in fields(cls)}
    return {name: value for name, value in given.items() if name in known}
