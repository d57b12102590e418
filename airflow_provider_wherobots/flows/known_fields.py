"""Reading what another version of this package has sent: in a rolling upgrade, workers and triggerers differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known_fields(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the given values that a dataclass has a field for; what a later version sends besides is left out.

    :param cls: the dataclass.
    :param given: values by the names of fields.
    """
    known = {field.name for field in fields(cls)}
    return {name: value for name, value in given.items() if name in known}
