"""Asks real Spark for the answers that the local server's tests compare: ``python -m dev.spark_answers [FILE ...]``.

It needs PySpark 4.1 and Java, in an environment of its own. Each line of a file of answers has a topic, a statement and
its rows, or the class of its error; the last column is written anew, and may be missing. Spark runs as the service
does: in ANSI mode and in UTC.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

from local_server.tests.sql.answers import TABLES

FOLDER = Path(__file__).parents[1] / "local_server" / "tests" / "sql"
FILES = (FOLDER / "answers.tsv", FOLDER / "column_answers.tsv", FOLDER / "ordinary.tsv")


def main(paths: list[Path]) -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    spark = _spark()
    for path in paths:
        lines = []
        for line in path.read_text().split("\n"):
            if not line or line.startswith("# "):
                lines.append(line)
                continue
            topic, statement, *_ = line.split("\t")
            asked = statement
            for name, rows in TABLES.items():
                asked = asked.replace(f"{{{name}}}", rows)
            lines.append("\t".join((topic, statement, answer(spark, asked))))
        path.write_text("\n".join(lines))


def answer(spark: Any, statements: str) -> str:
    """Return the rows of the last statement as Python writes them, or the class of an error."""
    from pyspark.errors import PySparkException

    rows = []
    try:
        for statement in statements.split("; "):
            rows = spark.sql(statement).collect()
    except PySparkException as error:
        return str(error.getCondition() or type(error).__name__).partition(".")[0]
    return "[" + ", ".join(f"({_row(row)})" for row in rows) + "]"


def _row(row: Any) -> str:
    return ", ".join(map(_written, row)) + ("," if len(row) == 1 else "")


def _spark() -> Any:
    from pyspark.sql import SparkSession

    settings = {
        "spark.master": "local[1]",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    }
    builder = SparkSession.builder
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def _written(value: Any) -> str:
    """Write a value as Arrow gives it to Python: a struct is a dict, a map a list of pairs."""
    if hasattr(value, "asDict"):
        fields = zip(value.__fields__, value, strict=True)
        return "{" + ", ".join(f"{name!r}: {_written(item)}" for name, item in fields) + "}"
    match value:
        case datetime():
            return f"at({value.isoformat(sep=' ')!r})"
        case date():
            return f"date({value.year}, {value.month}, {value.day})"
        case dict():
            return "[" + ", ".join(f"({_written(key)}, {_written(item)})" for key, item in value.items()) + "]"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case bytearray():
            return repr(bytes(value))
        case float() if value != value or value in (float("inf"), float("-inf")):
            return f"float({str(value)!r})"
    return repr(value)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or list(FILES))
