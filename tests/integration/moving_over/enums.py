"""Enums of the shape of ``wherobots.db``'s, where the package that has those is not installed."""

from enum import Enum


class Region(Enum):
    AWS_US_WEST_2 = "aws-us-west-2"
    AWS_EU_WEST_1 = "aws-eu-west-1"


class Runtime(Enum):
    TINY = "tiny"
    TINY_A10_GPU = "tiny-a10-gpu"
    XX_LARGE_HIMEM = "2x-large-himem"
