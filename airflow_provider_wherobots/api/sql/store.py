"""The rules of a task's argument ``store``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store

FORMATS = ("parquet", "csv", "geojson")
KEYS = ("format", "single", "generate_presigned_url", "options")


def read_store(given: Any) -> Store:
    """Read the argument ``store``.

    Source: the store options of ``wherobots-python-dbapi``.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"store={given!r}: must be a dict with the keys {', '.join(KEYS)}")
    if unknown := [key for key in given if key not in KEYS]:
        raise InvalidArgumentError(f"store: has the unknown key {unknown[0]!r}; the keys are {', '.join(KEYS)}")
    name = given.get("format")
    # An enumeration of the vendor's client counts by its value.
    name = getattr(name, "value", name)
    if name not in FORMATS:
        raise InvalidArgumentError(f"store['format']={name!r}: must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    single, presigned = _flag(given, "single"), _flag(given, "generate_presigned_url")
    if presigned and not single:
        raise InvalidArgumentError("store['generate_presigned_url']=True: needs store['single']=True")
    return Store(name, single, presigned, _options(given.get("options")))


def _flag(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"store[{key!r}]={value!r}: must be True or False")
    return value


def _options(options: Any) -> dict[str, str]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise InvalidArgumentError(f"store['options']={options!r}: must be a dict of strings")
    for key, value in options.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"store['options'][{key!r}]={value!r}: name and value must be strings")
    return dict(options)
