"""Works with tables through the vendor's client (``wherobots-python-dbapi``), and prints what came back.

Run where that client is, with the address and the key of a local server over https as arguments.
"""

import json
import sys
import warnings
from typing import Any

# The client's own dependencies warn.
warnings.simplefilter("ignore")

import requests  # noqa: E402
from wherobots.db import connect  # noqa: E402
from wherobots.db.models import Store  # noqa: E402
from wherobots.db.types import StorageFormat  # noqa: E402

host, key = sys.argv[1:]
found: dict[str, Any] = {}


def rows(cursor: Any, statement: str) -> Any:
    cursor.execute(statement)
    return json.loads(cursor.fetchall().to_json(orient="records"))


def error(cursor: Any, statement: str) -> str:
    cursor.execute(statement)
    try:
        cursor.fetchall()
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}"
    return ""


with connect(host=host, api_key=key, wait_timeout=300) as connection:
    for statement in (
        "CREATE DATABASE IF NOT EXISTS org_catalog.gis",
        "CREATE TABLE IF NOT EXISTS org_catalog.gis.places (id BIGINT, name STRING, geom GEOMETRY)",
        "MERGE INTO org_catalog.gis.places AS t USING (SELECT 1 AS id, 'O\\'Hare' AS name,"
        " ST_GeomFromText('POINT(1 2)', 4326) AS geom) AS s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *;",
    ):
        found["changed"] = rows(connection.cursor(), statement)
    found["places"] = rows(connection.cursor(), "SELECT * FROM org_catalog.gis.places")
    found["cut"] = len(rows(connection.cursor(), "SELECT id FROM range(1500)"))
    found["tables"] = rows(connection.cursor(), "SHOW TABLES IN org_catalog.gis")
    found["failed"] = error(connection.cursor(), "SELECT * FROM gone")
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM range(1500) ORDER BY id", store=Store.for_download(StorageFormat.CSV))
    found["stored"] = requests.get(cursor.get_store_result().result_uri, timeout=30).text.splitlines()[-1]

print(json.dumps(found))
