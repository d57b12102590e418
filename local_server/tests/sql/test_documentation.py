"""The page about SQL on the local server names the functions of Sedona that differ or are missing."""

from __future__ import annotations

import re

from local_server.tests.sql.geometry_answers import SEDONA
from tests.support.places import TREE
from wherobots_local.sql.dialect import calls
from wherobots_local.sql.dialect.functions import NAMES

PAGE = TREE / "docs" / "local-spark-sql.md"
MISSING = re.compile(r"(?<=These functions are missing, and refused: ).*(?=\.\n)")
REFUSED = re.compile(r"(?<=These functions of Spark are refused: ).*(?=\.\n)")
DIFFERENT = re.compile(r"^\| (`st_.*`) \| [A-Z].*\. \|$", re.MULTILINE)


def different(page: str) -> list[str]:
    return [name for names in DIFFERENT.findall(page) for name in re.findall(r"`(\w+)`", names)]


def test_the_page_names_the_functions_of_sedona_that_are_missing() -> None:
    missing = ", ".join(f"`{name}`" for name in sorted(SEDONA - NAMES))
    assert MISSING.findall(PAGE.read_text()) == [missing]


def test_the_page_names_the_functions_of_spark_that_are_refused() -> None:
    refused = ", ".join(f"`{name}`" for name in sorted(calls.REFUSED))
    assert REFUSED.findall(PAGE.read_text()) == [refused]
    assert not calls.REFUSED & NAMES


def test_what_is_different_is_answered() -> None:
    named = different(PAGE.read_text())
    assert len(named) == len(set(named)) > 20
    assert set(named) <= NAMES
