"""Parquet files and folders in FROM."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from wherobots_local.sql.database.results import is_geometry
from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.storage import StorageError, check_inside, place_of

_SCHEMES = ("s3://", "s3a://")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_FILE = identifier("~file")
# What Spark may read as another number, or as another date or time.
_UNSURE = re.compile(
    r"|\s*[+-]?(\d+\.?\d*|\.\d+|NaN|Infinity|0[xX].*)([eE][+-]?\d+)?[dDfF]?\s*|[+-]?\d{4,}-\d\d?-\d\d?(\D.*)?"
)


def query(root: Path, address: str, form: str, described: Callable[[str], Sequence[tuple[str, str]]]) -> str:
    """Return a query that reads a file, or the files of a folder, under the root. ``described`` returns the columns of
    a query with their types. Geometries are bytes unless the ``form`` is ``geoparquet``."""
    if not address.startswith(_SCHEMES):
        raise unsupported(f"reading {address!r}", "it reads s3:// addresses below the root of its storage")
    place, paths = _paths(root, "s3://" + address.partition("://")[2])
    files = ", ".join(literal(re.sub(r"[*?[]", r"[\g<0>]", str(path))) for path in paths)
    rows = f"read_parquet([{files}], hive_partitioning = false, filename = '~file')"
    held, changed = described(f"SELECT * FROM {rows}"), []
    for name, kind in held:
        column = identifier(name)
        if is_geometry(kind) and form == "parquet":
            changed.append(f"ST_AsWKB({column})::BLOB AS {column}")
        elif kind == "GEOMETRY('OGC:CRS84')":
            # DuckDB has two names for WGS 84, and joins no column of one with a column of the other.
            changed.append(f"ST_SetCRS({column}, 'EPSG:4326') AS {column}")
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    keys = _keys(place, [path.relative_to(place) for path in paths])
    if len({name.lower() for name in [*keys, *(name for name, _ in held)]}) < len(keys) + len(held):
        raise unsupported("the name of a folder that is a column of the files, too")
    named = [f"{value} AS {identifier(name)}" for name, value in keys.items()]
    return f"SELECT {', '.join([f'* EXCLUDE ({_FILE}){replaced}', *named])} FROM {rows}"


def _paths(root: Path, address: str) -> tuple[Path, list[Path]]:
    missing = failed("PATH_NOT_FOUND", f"Path does not exist: {address}.", "42K03")
    try:
        place = place_of(root, address).resolve(strict=True)
        check_inside(root.resolve(), place, address)
    except OSError:
        raise missing from None
    except StorageError as error:
        raise failed("PATH_NOT_FOUND", f"{error}.", "42K03") from None
    paths = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    found = [path for path in paths if not any(part.startswith((".", "_")) for part in path.relative_to(place).parts)]
    if not found:
        raise missing
    return place, found


def _keys(place: Path, files: Sequence[Path]) -> dict[str, str]:
    """Return the keys of the folders ``key=value`` below a place, in the order of the path, each with its value."""
    found = [_key_folders(file.parent.parts) for file in files]
    if not any(folders for _, folders in found):
        return {}
    shapes = {(before, tuple(folder.partition("=")[0] for folder in folders)) for before, folders in found}
    if len(shapes) > 1 or len(set(names := next(iter(shapes))[1])) < len(names):
        raise unsupported("folders with different keys below one address, or one key twice")
    first = len(place.parts) + len(found[0][0]) + 1
    keys = {}
    for number, name in enumerate(names):
        kind = _kind(name, {folders[number][len(name) + 1 :] for _, folders in found} - {_NO_VALUE})
        value = f"nullif(string_split({_FILE}, '/')[{first + number}][{len(name) + 2}:], '{_NO_VALUE}')"
        keys[unquote(name)] = f"url_decode({value})::{kind}"
    return keys


def _key_folders(parts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the last folders ``key=value`` in a row, and those before them."""
    end = len(parts)
    while end and "=" not in parts[end - 1]:
        end -= 1
    start = end
    while start and "=" in parts[start - 1]:
        start -= 1
    return parts[:start], parts[start:end]


def _kind(name: str, values: Iterable[str]) -> str:
    """Return the type that Spark gives to a key."""
    if all(re.fullmatch(r"[+-]?\d{1,18}", value) for value in values):
        return "INTEGER" if all(-(2**31) <= int(value) < 2**31 for value in values) else "BIGINT"
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        return "DATE"
    if all(_UNSURE.fullmatch(value) for value in values):
        raise unsupported(f"such values of the key {name} in the names of folders")
    return "VARCHAR"
