"""The page about SQL on the local server has the table of Sedona's functions."""

from __future__ import annotations

import os
import re

from local_server.tests.sql.geometry_answers import SEDONA
from tests.support.places import TREE
from wherobots_local.sql.dialect.functions import OWN

PAGE = TREE / "docs" / "local-spark-sql.md"
GENERATED = re.compile(r"(?<=\n)\| the same \| .*\n\| missing: refused \| .*\n")
DIFFERENT = re.compile(r"^\| `(st_\w+)` \| [A-Z].*\. \|$", re.MULTILINE)


def generated(page: str) -> str:
    names = OWN & (SEDONA | {"st_envelope_aggr", "st_intersection_aggr", "st_union_aggr"})
    same = names - set(DIFFERENT.findall(page))
    return f"| the same | {listed(same)} |\n| missing: refused | {listed(SEDONA - OWN)} |\n"


def listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def test_the_page_has_the_functions_of_sedona() -> None:
    page = PAGE.read_text()
    right = GENERATED.sub(generated(page), page)
    if "WRITE_PAGES" in os.environ:
        PAGE.write_text(right)
    assert PAGE.read_text() == right
    assert len(GENERATED.findall(right)) == 1


def test_what_is_different_is_answered() -> None:
    different = DIFFERENT.findall(PAGE.read_text())
    assert len(different) > 20
    assert set(different) <= OWN
