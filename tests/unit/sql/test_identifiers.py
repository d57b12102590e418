"""Values as quoted names."""

import re
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.sql.values import identifier
from tests.unit.sql.spark_literals import read_name

NAMES = st.text("ab.`'\" -;$%/*\\ü東", min_size=1).filter(str.strip)


class Catalog(str, Enum):  # noqa: UP042 - such as the official provider's
    ORG = "org_catalog"


@given(NAMES)
def test_spark_reads_the_name_back(name: str) -> None:
    written = identifier("x", name)
    assert read_name(written) == (name, len(written))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_list_is_one_name_of_several_parts(parts: list[str]) -> None:
    written = identifier("x", parts)
    read, position = [], 0
    while position < len(written):
        name, position = read_name(written, position)
        read.append(name)
        assert written[position : position + 1] in ("", ".")
        position += 1
    assert read == parts


@pytest.mark.parametrize(
    ("value", "written"),
    [("org.hail", "`org.hail`"), (["org", "hail"], "`org`.`hail`"), (Catalog.ORG, "`org_catalog`")],
)
def test_names(value: Any, written: str) -> None:
    assert identifier("x", value) == written


@pytest.mark.parametrize(
    "value", [None, 1, b"a", {"a"}, {"a": 1}, "", "  ", [], [1], [""], "a\nb", "a\x00", "${env:HOME}"]
)
def test_what_is_no_name_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape("parameters['x']")):
        identifier("parameters['x']", value)
