"""The page names the functions of Sedona that differ on the local server."""

from __future__ import annotations

import re

from tests.support.places import TREE
from wherobots_local.sql.dialect import calls
from wherobots_local.sql.dialect.functions import NAMES

PAGE = TREE / "local_server" / "docs" / "spark-sql.md"
DIFFERENT = re.compile(r"^\| (`st_.*`) \| [A-Z].*\. \|$", re.MULTILINE)


def different(page: str) -> list[str]:
    return [name for names in DIFFERENT.findall(page) for name in re.findall(r"`(\w+)`", names)]


def test_what_is_refused_is_not_answered() -> None:
    assert not calls.REFUSED & NAMES


def test_what_is_different_is_answered() -> None:
    named = different(PAGE.read_text())
    assert len(named) == len(set(named)) > 20
    assert set(named) <= NAMES
