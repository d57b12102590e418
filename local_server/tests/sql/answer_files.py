"""Files of answers: a line for each, with tabs between its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path


def read_rows(name: str, constants: Mapping[str, str]) -> Iterator[list[str]]:
    """Read a file of this folder. A line that begins with ``# `` is a comment. ``{NAME}`` stands for a constant."""
    for line in Path(__file__).with_name(name).read_text().split("\n"):
        if line and not line.startswith("# "):
            for constant, text in constants.items():
                line = line.replace(f"{{{constant}}}", text)
            yield line.split("\t")
