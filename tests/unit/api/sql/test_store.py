"""The rules of the argument ``store``."""

from enum import Enum
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store, read_store


class Format(Enum):
    CSV = "csv"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"format": "parquet"}, Store("parquet")),
        ({"format": Format.CSV, "options": None}, Store("csv")),
        (
            {"format": "geojson", "single": True, "generate_presigned_url": True, "options": {"header": "true"}},
            Store("geojson", True, True, {"header": "true"}),
        ),
    ],
)
def test_what_is_read(given: Any, expected: Store) -> None:
    assert read_store(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("parquet", "store='parquet': must be a dict"),
        ({}, r"store\['format'\]=None: must be parquet, csv or geojson"),
        ({"format": "PARQUET"}, "'PARQUET'"),
        ({"format": "csv", "path": "s3://x"}, "unknown key 'path'"),
        ({"format": "csv", "single": "true"}, r"store\['single'\]='true': must be True or False"),
        ({"format": "csv", "generate_presigned_url": True}, r"needs store\['single'\]=True"),
        ({"format": "csv", "options": []}, r"store\['options'\]=\[\]: must be a dict"),
        ({"format": "csv", "options": {"header": True}}, r"store\['options'\]\['header'\]=True: name and value"),
    ],
)
def test_what_breaks_a_rule(given: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        read_store(given)
