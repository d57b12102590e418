"""The macros of DuckDB for functions of Spark and Sedona."""

from __future__ import annotations

import re
from pathlib import Path

SCHEMA = "spark"

SCRIPTS = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("functions.sql", "geometry.sql")]
"""DuckDB's SQL that creates them in the schema ``spark``."""


def _repeated(given: str, body: str) -> int:
    words = re.findall(r"\w+", body)
    return max([1, *map(words.count, re.findall(r"\w+", given))])


MACROS = {
    name: _repeated(given, body)
    for script in SCRIPTS
    for name, given, body in re.findall(r"MACRO spark\.(\w+)\(([^)]*)\) AS (.*?);\n", script, re.DOTALL)
}
"""Their names, and how often each repeats one of its arguments."""
