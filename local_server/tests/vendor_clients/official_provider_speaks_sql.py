"""Runs the official provider's SQL operator, and prints what it returned. Run where that provider is."""

import json
import sys
from typing import Any

from airflow_providers_wherobots.operators.sql import WherobotsSqlOperator


def returned(sql: str, **arguments: Any) -> Any:
    operator = WherobotsSqlOperator(task_id="task", sql=sql, region="aws-us-west-2", runtime="tiny", **arguments)
    frame = operator.execute({})
    return None if frame is None else json.loads(frame.to_json(orient="records"))


found = {
    "one": returned("SELECT 7 AS n;"),
    "ddl": returned("CREATE TABLE IF NOT EXISTS t (n INT)", return_last=False),
    "with parameters": returned("SELECT * FROM places WHERE name = %(name)s", parameters={"name": "Aachen"}),
}
try:
    returned("FAIL [PARSE_SYNTAX_ERROR] no such word")
except Exception as raised:
    found["failed"] = str(raised)
json.dump(found, sys.stderr)
