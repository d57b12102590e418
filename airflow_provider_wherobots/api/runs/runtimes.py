"""Published regions, runtimes and versions. The service adds new ones, so a value that is not listed is not refused.

Source: ``Runtime`` in the OpenAPI description; the regions are from the service's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REGIONS = ("aws-us-west-2", "aws-us-east-1", "aws-us-east-2", "aws-eu-west-1", "aws-ap-south-1")
RUNTIMES = (
    "micro",
    "tiny",
    "small",
    "medium",
    "large",
    "x-large",
    "2x-large",
    "4x-large",
    "medium-himem",
    "large-himem",
    "x-large-himem",
    "2x-large-himem",
    "4x-large-himem",
    "x-large-hicpu",
    "2x-large-hicpu",
    "x-large-matcher",
    "2x-large-matcher",
    "micro-a10-gpu",
    "tiny-a10-gpu",
    "small-a10-gpu",
    "medium-a10-gpu",
    "large-a10-gpu",
    "x-large-a10-gpu",
)
LEGACY_RUNTIMES = {
    "TINY": "tiny",
    "SMALL": "small",
    "MEDIUM": "medium",
    "LARGE": "large",
    "XLARGE": "x-large",
    "XXLARGE": "2x-large",
}
VERSIONS = ("latest", "preview")
NEXT = "next"
"""As ``runtime_on_out_of_memory``: the next larger published runtime of the same kind."""


def after_out_of_memory(runtime: str, wanted: str | Sequence[str]) -> str | None:
    """The runtime to request after one that had too little memory; None if there is none.

    :param runtime: the one that had too little; empty if it is not known.
    :param wanted: ``runtime_on_out_of_memory``: :data:`NEXT`, a runtime, or several in the order in which they are
        tried. If ``runtime`` is none of them, the first is next that is not a smaller one of the same kind.
    """
    if wanted == NEXT:
        return _next_larger(runtime)
    order = {published_name(one): one for one in ([wanted] if isinstance(wanted, str) else wanted)}
    names, name = list(order), published_name(runtime)
    if name in order:
        later = names[names.index(name) + 1 :]
    else:
        kind = _of_kind(name)
        later = [one for one in names if one not in kind[: kind.index(name)]] if name in kind else names
    return order[later[0]] if later else None


def published_name(runtime: str) -> str:
    """The name under which the service publishes a runtime today; any other stays as it is."""
    return LEGACY_RUNTIMES.get(runtime, runtime)


def is_published(runtime: str) -> bool:
    """Whether the service has published this runtime."""
    return published_name(runtime) in RUNTIMES


def _next_larger(runtime: str) -> str | None:
    name = published_name(runtime)
    larger = _of_kind(name)[_of_kind(name).index(name) + 1 :] if is_published(runtime) else []
    return larger[0] if larger else None


def _of_kind(name: str) -> list[str]:
    return [other for other in RUNTIMES if _kind(other) == _kind(name)]


def _kind(runtime: str) -> str:
    # The name without its size: "2x-large-himem" is "-himem".
    return re.sub(r"^(\dx-|x-)?[a-z]+", "", runtime)
