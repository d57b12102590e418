"""Runs statements through the vendor's client (``wherobots-python-dbapi``), and prints what came back.

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
from wherobots.db.session_type import SessionType  # noqa: E402
from wherobots.db.types import StorageFormat  # noqa: E402

host, key = sys.argv[1:]
found: dict[str, Any] = {}


def open_connection(**arguments: Any) -> Any:
    return connect(host=host, api_key=key, wait_timeout=60, session_type=SessionType.MULTI, **arguments)


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


with open_connection() as connection:
    steps: list[int] = []
    connection.set_progress_handler(lambda info: steps.append(info.tasks_completed))
    found["session"] = connection.session_id
    found["one"] = rows(connection.cursor(), "SELECT 7 AS n")
    found["places"] = rows(connection.cursor(), "SELECT * FROM places")
    found["cut"] = len(rows(connection.cursor(), "ROWS 1500"))
    found["ddl"] = rows(connection.cursor(), "CREATE TABLE t (n INT)")
    found["failed"] = error(connection.cursor(), "FAIL [TABLE_OR_VIEW_NOT_FOUND] no such table")
    rows(connection.cursor(), "SLEEP 0.5")
    found["steps"] = sorted(set(steps))
    found["taken over"] = rows(connection.cursor(), "SLEEP 1")
    cursor = connection.cursor()
    cursor.execute("ROWS 3", store=Store.for_download(StorageFormat.CSV))
    stored = cursor.get_store_result()
    found["stored"] = [requests.get(stored.result_uri, timeout=30).text, stored.size]
    held = connection.cursor()
    held.execute("HOLD")
    held.close()
    with open_connection() as second:
        found["shared"] = second.session_id == connection.session_id
    with open_connection(session_key="own") as own:
        found["own"] = own.session_id != connection.session_id
    with open_connection(force_new=True) as new:
        found["new"] = new.session_id != connection.session_id
print(json.dumps(found))
