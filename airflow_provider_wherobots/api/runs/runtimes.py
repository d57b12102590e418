"""Published regions, runtimes and versions. The service adds new ones, so a value that is not listed is not refused.

Source: ``Runtime`` in the OpenAPI description; the regions are from the service's documentation.
"""

from __future__ import annotations

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
VERSIONS = ("latest", "preview")
