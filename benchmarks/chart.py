"""The figures as bars: an SVG with the text colour of its page, light or dark.

Each figure has its own scale: its longest bar has the full width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.measuring import OFFICIAL
from benchmarks.rows import Number, Row, ratio

WIDTH, BARS_FROM, BARS_WIDTH, RATIOS_AT = 760, 10, 500, 750
BAR, BAR_STEP, TITLE, GAP, LEGEND = 11, 15, 19, 17, 34
LEAST_WIDTH = 1.5
COLOURS = {"ours": "#2f81d6", "limit": "#8b949e", "official": "#d9822b"}
NAMES = {"ours": "this provider", "limit": "limit", "official": f"official {OFFICIAL}"}


def chart(rows: Sequence[Row]) -> str:
    """Draw the figures."""
    drawn = [row for row in rows if row.limit or row.official]
    parts = list(_legend())
    top = LEGEND
    for row in drawn:
        parts += _figure(row, top)
        top += TITLE + len(_bars(row)) * BAR_STEP + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" '
        'aria-label="The figures of the table as bars" fill="currentColor" '
        'style="width: 100%; height: auto; font-family: inherit">'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _legend() -> Iterator[str]:
    left = BARS_FROM
    for side, name in NAMES.items():
        yield f'<rect x="{left}" y="6" width="{BAR}" height="{BAR}" rx="2" fill="{COLOURS[side]}"/>'
        yield _label(left + BAR + 6, 16, name, 12)
        left += 150


def _figure(row: Row, top: int) -> Iterator[str]:
    bars = _bars(row)
    most = max(number.median for number in bars.values()) or 1.0
    yield _label(BARS_FROM, top + 12, row.title, 13, "font-weight:600")
    for place, (side, number) in enumerate(bars.items()):
        y = top + TITLE + place * BAR_STEP
        width = max(LEAST_WIDTH, BARS_WIDTH * number.median / most)
        yield f'<rect x="{BARS_FROM}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{COLOURS[side]}"/>'
        yield _label(BARS_FROM + width + 6, y + 9.5, str(number), 11)
        times = {"limit": row.to_limit, "official": row.to_official}.get(side)
        if times is not None:
            yield _label(RATIOS_AT, y + 9.5, f"ours is {ratio(times)}", 11, "text-anchor:end")


def _bars(row: Row) -> dict[str, Number]:
    sides = {"ours": row.ours, "limit": row.limit, "official": row.official}
    return {side: number for side, number in sides.items() if number is not None}


def _label(x: float, y: float, text: str, size: int, style: str = "") -> str:
    more = f' style="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{more}>{escape(text)}</text>'
