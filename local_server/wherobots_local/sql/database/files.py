"""Parquet files and folders in FROM."""

from __future__ import annotations

from pathlib import Path

from wherobots_local.sql.database.warehouse import literal
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.storage import StorageError, check_inside, place_of

_SCHEMES = ("s3://", "s3a://")


def query(root: Path, address: str) -> str:
    """Return a query that reads a file, or the files of a folder, under the root."""
    if not address.startswith(_SCHEMES):
        raise unsupported(f"reading {address!r}", "it reads s3:// addresses below the root of its storage")
    paths = _paths(root, "s3://" + address.partition("://")[2])
    return f"SELECT * FROM read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


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
