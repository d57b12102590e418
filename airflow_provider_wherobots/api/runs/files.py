"""The files that a run needs: by their ``s3://`` addresses, or by paths of files that are uploaded first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from airflow_provider_wherobots.api.errors import InvalidArgumentError

Keys: TypeAlias = tuple[str | int, ...]
"""Where a value is in a body: the keys and indexes that lead to it."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ARGUMENTS = {"runPython": "run_python", "runJar": "run_jar"}


def is_local(uri: str) -> bool:
    """Whether a URI is a path, or begins with ``file:``."""
    scheme = _SCHEME.match(uri)
    return scheme is None or scheme[1].lower() == "file"


def local_path(where: str, uri: str) -> str:
    """Return the path of a local URI. ``where`` names the value in the ``InvalidArgumentError`` if it has none."""
    path = uri
    if _SCHEME.match(uri):
        try:
            parts = urlsplit(uri)
            is_usable = parts.netloc in ("", "localhost") and not parts.query and not parts.fragment
            path = unquote(parts.path, errors="strict")
        except ValueError:
            is_usable = False
        if not is_usable or not path.startswith("/"):
            raise InvalidArgumentError(f"{where}: must hold an absolute path, such as file:///opt/airflow/dags/job.py")
    if "\0" in path:
        raise InvalidArgumentError(f"{where}: must not contain a null character")
    return path


def local_files(payload: Mapping[str, Any]) -> Iterator[tuple[Keys, str, str]]:
    """Find the local files in a create body: their keys in the body, the arguments that name them, and their URIs."""
    for key, argument in _ARGUMENTS.items():
        if key in payload and is_local(uri := payload[key]["uri"]):
            yield (key, "uri"), f"{argument}['uri']", uri
    for index, dependency in enumerate(payload.get("environment", {}).get("dependencies", ())):
        if is_local(path := dependency.get("filePath", "s3:")):
            where = f"environment['dependencies'][{index}]['filePath']"
            yield ("environment", "dependencies", index, "filePath"), where, path


def value_at(document: Any, keys: Keys) -> Any:
    """Return a value in a body; None if it is not there."""
    for key in keys:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def with_values(document: Mapping[str, Any], values: Mapping[Keys, Any]) -> dict[str, Any]:
    """Return a copy of a body with other values. The body is not changed."""
    copied = deepcopy(dict(document))
    for (*parents, last), value in values.items():
        place: Any = copied
        for key in parents:
            place = place[key]
        place[last] = value
    return copied
