"""Writes the page of what the local server has, from its code: ``python -m dev.coverage``.

It needs the server's extra ``sql``. The endpoints are those of the published description, the clauses are tried with
the statements of ``clauses.tsv``, the functions are those of ``families.txt``, and the ordinary statements are those
that the tests compare with the answers of Spark.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from local_server.tests.sql.compared import ordinary
from local_server.tests.support import PUBLISHED
from wherobots_local.execution.workspace import own_folder
from wherobots_local.http import runs_api, sql_api, storage_api
from wherobots_local.sql.database.engine import Database, DatabaseEngine
from wherobots_local.sql.database.statement import Session
from wherobots_local.sql.database.warehouse import Warehouse
from wherobots_local.sql.dialect.functions import NAMES
from wherobots_local.sql.engine import EngineError

_TREE = Path(__file__).parents[1]
_DATA = _TREE / "local_server" / "tests" / "sql"
PAGE = _TREE / "local_server" / "docs" / "coverage.md"
_DIFFERENT = "spark-sql.md#what-is-different-from-the-services-sql"
ALL, SOME, NONE = "as the service", "partly", "refused"

PARTLY = {
    "createJobRun": "`runtime`, `version`, disk sizes and `region` have no effect",
    "getJobRunMetrics": "no values for CPU and memory",
    "getWorkloadCosts": "all costs are 0",
    "listQuotas": "there are no quotas",
    "getMyOrganization": "there is one organization",
    "getMe": "there is one user, without roles",
    "createSqlSession": "`runtimeId`, `version`, presets and `region` have no effect",
}
"""What is different about an operation."""
REFUSED = {"getStorageCredentials": "`createFileUploadUrl` uploads without temporary keys"}
_TABLES = (
    "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, map('k', 1) AS m, DATE '2024-01-02' AS d",
    "CREATE TABLE u AS SELECT 1 AS a, 'y' AS c",
    "CREATE TABLE changed AS SELECT 1 AS a, 2 AS b",
    "CREATE TABLE renamed AS SELECT 1 AS a",
    "CREATE TABLE parts (a INT, p INT) PARTITIONED BY (p)",
    "CREATE TABLE structs AS SELECT named_struct('x', 1) AS s",
)
_REFUSED = re.compile(r"\[(UNSUPPORTED_FEATURE|PARSE_SYNTAX_ERROR|UNRESOLVED_ROUTINE|UNRESOLVABLE_TABLE_VALUED)")
Row = tuple[str, str, str, str]
"""A row of a table: what, how, what is answered, and what is refused."""


def families() -> dict[str, list[str]]:
    """Return the functions of each family."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (_DATA / "families.txt").read_text().splitlines():
        if line.startswith("["):
            names = found[line.strip("[]")] = []
        elif not line.startswith("#"):
            names += line.split()
    return found


def published() -> list[tuple[str, str]]:
    """Return the endpoints of the published description, with their names."""
    return [
        (f"{method.upper()} {path}", operation["operationId"])
        for path, methods in PUBLISHED["paths"].items()
        for method, operation in methods.items()
    ]


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What the local server has"
    yield ""
    yield "Each row is as the service, partly, or refused. `python -m dev.coverage` writes this page from the code."
    yield f"What is answered can still [differ]({_DIFFERENT})."
    yield ""
    yield "## Endpoints"
    yield ""
    yield "| Endpoint | `operationId` | | What is different |"
    yield "|---|---|---|---|"
    yield from map(_line, _endpoints())
    yield ""
    yield "## Statements and clauses"
    yield ""
    yield from _table("Clause", _clauses())
    yield ""
    yield "## Ordinary statements"
    yield ""
    yield from _ordinary()
    yield ""
    yield "## Functions"
    yield ""
    yield "The families are those of Spark 4.1 and of Apache Sedona 1.9. Every other function is refused."
    yield ""
    yield from _table("Family", _functions())


def _table(head: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {head} | | Answered | Refused |"
    yield "|---|---|---|---|"
    yield from map(_line, rows)


def _line(row: Row) -> str:
    return f"| {' | '.join(row)} |".replace("|  |", "| |")


def _endpoints() -> Iterator[Row]:
    served = {name for api in (runs_api, storage_api, sql_api) for _, _, name, _ in api.OPERATIONS}
    for endpoint, name in published():
        status = NONE if name not in served or name in REFUSED else SOME if name in PARTLY else ALL
        yield f"`{endpoint}`", f"`{name}`", status, (PARTLY | REFUSED).get(name, "")


def _clauses() -> list[Row]:
    groups: dict[str, tuple[list[str], list[str]]] = {}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        for group, form, is_answered in runner.run(_tried(Path(folder))):
            groups.setdefault(group, ([], []))[not is_answered].append(form)
    return [_row(group, answered, refused, "; ") for group, (answered, refused) in groups.items()]


async def _tried(root: Path) -> list[tuple[str, str, bool]]:
    """Execute each statement, and return whether it is answered."""
    own_folder(root)
    (root / "bucket").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), root / "bucket" / "one.parquet")
    engine = DatabaseEngine("coverage", Database(root))
    found = []
    try:
        await engine.start()
        for statement in _TABLES:
            await engine.execute("made", statement, None, None, lambda *_: None)
        for line in (_DATA / "clauses.tsv").read_text().splitlines():
            if line.startswith("#"):
                continue
            group, form, statement = line.split("\t")
            try:
                await engine.execute("tried", statement, None, None, lambda *_: None)
                found.append((group, form, True))
            except EngineError as error:
                if not _REFUSED.match(str(error)):
                    raise RuntimeError(f"{statement} is wrong: {error}") from error
                found.append((group, form, False))
    finally:
        await engine.kill()
    return found


def _ordinary() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Warehouse(Path(folder), Path(folder), 2 * 1024**3), "ordinary")
        topics = ordinary(session)
        session.close()
    answered = {topic: sum(found) for topic, found in topics.items()}
    yield "These are statements as users write them, on tables of taxi trips, orders, events and places. The answers of"
    yield "Spark 4.1 were recorded; those about geometries and changes of tables were worked out by hand."
    count = sum(map(len, topics.values()))
    yield f"{sum(answered.values())} of {count} are answered in the same way, and the others are refused."
    yield ""
    yield "| About | Statements | Answered |"
    yield "|---|---|---|"
    yield from (f"| {topic} | {len(found)} | {answered[topic]} |" for topic, found in topics.items())


def _functions() -> list[Row]:
    rows = []
    for family, names in families().items():
        answered, refused = ([f"`{name}`" for name in names if (name in NAMES) is known] for known in (True, False))
        rows.append(_row(family, answered, refused, ", "))
    return rows


def _row(what: str, answered: list[str], refused: list[str], separator: str) -> Row:
    has_effect = not any(form.endswith("(no effect)") for form in answered)
    status = ALL if not refused and has_effect else SOME if answered else NONE
    return what, status, separator.join(answered), separator.join(refused)


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
