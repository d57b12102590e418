"""The functions of Spark and Sedona that are macros of DuckDB."""

from __future__ import annotations

import re
from pathlib import Path

SCHEMA = "spark"

SCRIPTS = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("functions.sql", "geometry.sql")]
"""SQL of DuckDB that creates them in the schema ``spark``."""

MACROS = frozenset(name.lower() for text in SCRIPTS for name in re.findall(r"MACRO spark\.(\w+)", text))
