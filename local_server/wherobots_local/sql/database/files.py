"""Files and folders in FROM, read as Spark reads them without options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.storage import StorageError, check_inside, place_of

_SCHEMES = ("s3://", "s3a://")
# Types that DuckDB detects in JSON, and Spark does not.
_TEXT = ("DATE", "TIMESTAMP", "TIME", "UUID", "JSON")


def query(root: Path, columns_of: Callable[[str], Mapping[str, str]], file_format: str, address: str) -> str:
    """Return a query that reads a file, or the files of a folder, under the root."""
    if not address.startswith(_SCHEMES):
        raise unsupported(f"reading {address!r}", "it reads s3:// addresses below the root of its storage")
    paths = _paths(root, "s3://" + address.partition("://")[2])
    listed = f"[{', '.join(literal(str(path)) for path in paths)}]"
    if file_format == "parquet":
        return f"SELECT * FROM read_parquet({listed})"
    if file_format == "csv":
        options = "header = false, all_varchar = true, delim = ',', quote = '\"', escape = '\\'"
        options += ", null_padding = true, parallel = false"
        return f"SELECT COLUMNS('column0*(\\d+)') AS '_c\\1' FROM read_csv({listed}, {options})"
    columns = columns_of(f"read_json({listed}, format = 'newline_delimited')")
    kinds = {name: "VARCHAR" if kind in _TEXT else kind for name, kind in sorted(columns.items())}
    given = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    rows = f"read_json({listed}, format = 'newline_delimited', columns = {{{given}}})"
    return f"SELECT {', '.join(map(identifier, kinds))} FROM {rows}"


def _paths(root: Path, address: str) -> list[Path]:
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
    return found
