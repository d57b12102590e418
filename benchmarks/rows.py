"""A figure as a row: ours, the bare limit, the official provider, and the goal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Number:
    """The result of the measurements of one side.

    :param spread: the difference between the lowest and the highest, as a share of the median.
    """

    median: float
    spread: float
    times: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Number:
        """The number for some measurements."""
        median = statistics.median(values)
        return cls(median, (max(values) - min(values)) / median if median else 0.0, len(values))

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 or self.median == int(self.median) else 1 if self.median >= 1 else 2
        spread = f" ±{self.spread / 2:.0%}" if self.times > 1 else ""
        return f"{self.median:,.{digits}f}{spread}"


@dataclass(frozen=True)
class Reach:
    """The goal of a figure.

    :param bound: the worst value that reaches the goal.
    :param of: what it is compared with: our value, or its ratio to the limit or to the official provider.
    :param at_least: whether higher values are better; default False, lower ones are.
    """

    bound: float
    of: Literal["value", "limit", "official"] = "value"
    at_least: bool = False

    def is_kept(self, value: float) -> bool:
        """Whether a value reaches the goal."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        unit = {"value": "", "limit": "x limit", "official": "x official"}[self.of]
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{unit}"


@dataclass(frozen=True)
class Row:
    """One figure.

    :param limit: the bare limit; None where there is none.
    :param official: the official provider; None where it has no such thing.
    """

    name: str
    unit: str
    ours: Number
    reach: Reach
    limit: Number | None = None
    limit_name: str = ""
    official: Number | None = None

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def to_limit(self) -> float | None:
        """Ours divided by the limit."""
        return _ratio(self.ours, self.limit)

    @property
    def to_official(self) -> float | None:
        """Ours divided by the official provider's."""
        return _ratio(self.ours, self.official)

    @property
    def is_reached(self) -> bool:
        """Whether the goal is reached. If the other side was not measured, it is not."""
        value = {"value": self.ours.median, "limit": self.to_limit, "official": self.to_official}[self.reach.of]
        return value is not None and self.reach.is_kept(value)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Row:
        """Read what :meth:`to_json` wrote."""
        limit, official = (Number(**fields[side]) if fields[side] else None for side in ("limit", "official"))
        ours, reach = Number(**fields["ours"]), Reach(**fields["reach"])
        return cls(fields["name"], fields["unit"], ours, reach, limit, fields["limit_name"], official)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON, with its ratios."""
        ratios = {"to_limit": self.to_limit, "to_official": self.to_official, "is_reached": self.is_reached}
        return {**asdict(self), **ratios}


def ratio(value: float | None) -> str:
    """A ratio as text, with two significant digits.

    :param value: the ratio; None where there is none.
    """
    if value is None:
        return ""
    return f"{value:.{2 if value < 10 else 0}f}x" if value >= 0.095 else f"{value:.3f}x"


def _ratio(ours: Number, other: Number | None) -> float | None:
    return ours.median / other.median if other and other.median else None
