"""The pages name the functions of Sedona that are missing on the local server, and those that differ."""

from __future__ import annotations

import re

from local_server.tests.sql.geometry_answers import SEDONA
from tests.support.places import TREE
from wherobots_local.sql.dialect import calls
from wherobots_local.sql.dialect.functions import NAMES

PAGE = TREE / "docs" / "local-spark-sql.md"
REFERENCE = TREE / "docs" / "reference.md"
MISSING = re.compile(r"(?<=^Of Sedona: ).*(?=\.\n)", re.MULTILINE)
DIFFERENT = re.compile(r"^\| (`st_.*`) \| [A-Z].*\. \|$", re.MULTILINE)


def different(page: str) -> list[str]:
    return [name for names in DIFFERENT.findall(page) for name in re.findall(r"`(\w+)`", names)]


def test_the_reference_names_the_functions_of_sedona_that_are_missing() -> None:
    missing = ", ".join(f"`{name}`" for name in sorted(SEDONA - NAMES))
    assert MISSING.findall(REFERENCE.read_text()) == [missing]


def test_what_is_refused_is_not_answered() -> None:
    assert not calls.REFUSED & NAMES


def test_what_is_different_is_answered() -> None:
    named = different(PAGE.read_text())
    assert len(named) == len(set(named)) > 20
    assert set(named) <= NAMES
