"""The page about the SQL of the local server has the table of Sedona's functions."""

from __future__ import annotations

import os
import re

from tests.support.places import TREE
from wherobots_local.sql.dialect import geometry
from wherobots_local.sql.dialect.macros import SCRIPTS

GEOMETRY_MACROS = set(re.findall(r"MACRO spark\.([a-z]\w*)", SCRIPTS[1]))
PAGE = TREE / "docs" / "local-sql-dialect.md"
HEADING = "## Sedona's functions\n"


def section() -> str:
    same = geometry.SAME | geometry.RENAMED.keys() | GEOMETRY_MACROS
    different = dict(sorted(geometry.DIFFERENT.items()))
    lines = [
        HEADING,
        "Those of Apache Sedona 1.9. For all of them:\n",
        *(f"* {sentence}" for sentence in geometry.EVERYWHERE),
        "\n| What the local server has | Functions |",
        "|---|---|",
        f"| the same | {listed(same - different.keys())} |",
        f"| missing: refused with `[UNSUPPORTED_FEATURE]` | {listed(geometry.MISSING)} |",
        "\n| Function | What is different |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in different.items()),
    ]
    return "\n".join(lines) + "\n"


def listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def test_the_page_has_the_functions_of_sedona() -> None:
    text, _, _ = PAGE.read_text().partition(HEADING)
    if "WRITE_PAGES" in os.environ:
        PAGE.write_text(text + section())
    assert PAGE.read_text() == text + section()
