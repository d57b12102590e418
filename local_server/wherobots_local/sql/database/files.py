"""Files and folders in FROM, read as Spark reads them without options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sqlglot import exp

from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.storage import StorageError, check_inside, place_of

_SCHEMES = ("s3://", "s3a://")
# Types that DuckDB detects in JSON, and Spark does not.
_TEXT = tuple(exp.DType[name] for name in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ", "UUID"))
_LINES = "header = false, auto_detect = false, delim = '\x01', quote = '', escape = '', columns = {'line': 'VARCHAR'}"
_CSV = (
    "header = false, all_varchar = true, delim = ',', quote = '\"', escape = '\\', allow_quoted_nulls = false,"
    " sample_size = -1, parallel = false"
)
_JSON = "format = 'newline_delimited', sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0"

Described = Callable[[str], Mapping[str, str]]
"""Returns the columns of a table in DuckDB, with their types."""


def query(root: Path, described: Described, count: Callable[[str], int], file_format: str, address: str) -> str:
    """Return a query that reads a file, or the files of a folder, under the root. ``count`` counts the rows of a
    table."""
    if not address.startswith(_SCHEMES):
        raise unsupported(f"reading {address!r}", "it reads s3:// addresses below the root of its storage")
    paths = _paths(root, "s3://" + address.partition("://")[2])
    listed = f"[{', '.join(literal(str(path)) for path in paths)}]"
    if file_format == "parquet":
        return f"SELECT * FROM read_parquet({listed})"
    if any("=" in path.parent.name for path in paths):
        raise unsupported(f"{file_format} in folders of partitions", "write parquet")
    if file_format == "csv":
        rows = f"read_csv({listed}, {_CSV})"
        lines = f"(SELECT trim(line) AS line FROM read_csv({listed}, {_LINES}))"
        if count(lines) != count(rows) or count(f"{lines} AS l WHERE line = '' OR line IS NULL"):
            raise unsupported("CSV with blank lines, lines of several widths, or texts of several lines")
        return f"SELECT COLUMNS('column0*(\\d+)') AS '_c\\1' FROM {rows}"
    columns = described(f"read_json({listed}, {_JSON})")
    if list(columns) == ["json"] or any("JSON" in kind for kind in columns.values()):
        raise unsupported("JSON whose lines are no objects, or with values of several kinds in one field")
    kinds = {name: _json_type(kind) for name, kind in sorted(columns.items())}
    given = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    rows = f"read_json({listed}, format = 'newline_delimited', columns = {{{given}}})"
    return f"SELECT {', '.join(map(identifier, kinds))} FROM {rows}"


def _json_type(kind: str) -> str:
    """Return the type that Spark infers: with the fields of structs in order, and without dates."""
    tree = exp.DataType.build(kind, dialect="duckdb")
    for inner in list(tree.find_all(exp.DataType)):
        if inner.this in _TEXT:
            inner.set("this", exp.DType.VARCHAR)
        elif inner.this == exp.DType.STRUCT:
            inner.set("expressions", sorted(inner.expressions, key=lambda field: str(field.name)))
    return tree.sql("duckdb")


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
