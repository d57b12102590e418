"""The macros of DuckDB for functions of Spark and Sedona."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

SCHEMA = "spark"

SCRIPTS = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("functions.sql", "geometry.sql")]
"""DuckDB's SQL that creates them in the schema ``spark``."""

MACROS: dict[str, int] = {}
"""Their names, and how often each repeats one of its arguments, those of the macros in its body included."""

_TOKENS = re.compile(r"'(?:[^']|'')*'|(?:spark\.(?P<called>\w+))?(?P<opened>\()|(?P<closed>\))|(?P<word>\w+)")


def _repeated(given: str, body: str) -> int:
    counts: Counter[str] = Counter()
    around = [1]
    for token in _TOKENS.finditer(body):
        if token["opened"]:
            around.append(around[-1] * MACROS.get(token["called"], 1))
        elif token["closed"]:
            around.pop()
        elif token["word"]:
            counts[token["word"]] += around[-1]
    return max([1, *(counts[name] for name in re.findall(r"\w+", given))])


for _script in SCRIPTS:
    for _name, _given, _body in re.findall(r"MACRO spark\.(\w+)\(([^)]*)\) AS (.*?);\n", _script, re.DOTALL):
        MACROS[_name] = _repeated(_given, _body)
