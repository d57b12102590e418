"""The page of what the local server has is what its code says."""

from __future__ import annotations

from collections import Counter

from dev import coverage
from local_server.tests.sql.geometry_answers import SEDONA
from wherobots_local.sql.dialect.calls import REFUSED
from wherobots_local.sql.dialect.functions import NAMES


def test_the_page_is_that_of_the_code() -> None:
    assert coverage.PAGE.read_text() == coverage.page(), "run 'python -m dev.coverage'"


def test_each_function_is_in_one_family() -> None:
    found = Counter(name for names in coverage.families().values() for name in names)
    assert set(found.values()) == {1}
    assert found.keys() >= NAMES | REFUSED | SEDONA


def test_what_is_different_is_said_of_endpoints_that_are_there() -> None:
    assert coverage.PARTLY.keys() | coverage.REFUSED.keys() <= {name for _, name in coverage.published()}
