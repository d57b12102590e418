"""Published regions, runtimes and versions. The service adds new ones, so a value that is not listed is not refused.

Source: ``Runtime`` in the OpenAPI description; the regions are from the service's documentation.
"""

from __future__ import annotations

import re

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


def next_smaller(runtime: str) -> str | None:
    """The next smaller published runtime of the same kind. None if there is none, or the runtime is not published."""
    name = LEGACY_RUNTIMES.get(runtime, runtime)
    if name not in RUNTIMES:
        return None
    kind = [other for other in RUNTIMES if _kind(other) == _kind(name)]
    place = kind.index(name)
    return kind[place - 1] if place else None


def _kind(runtime: str) -> str:
    # The name without its size: "2x-large-himem" is "-himem".
    return re.sub(r"^(\dx-|x-)?[a-z]+", "", runtime)
